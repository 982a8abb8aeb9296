#!/bin/bash
# Copies WordPress into its volume on first start, then becomes PHP-FPM (exec), which receives the stop signal itself.
set -euo pipefail

html=/var/www/html

if [ "${1:-}" = php-fpm ]; then
    if [ ! -e "$html/wp-includes/version.php" ]; then
        echo "copying WordPress into $html" >&2
        tar --directory /usr/src/wordpress --create . | tar --directory "$html" --extract
    fi
    if [ ! -e "$html/wp-salts.php" ]; then
        php -r '
            echo "<?php\n";
            foreach (["AUTH_KEY", "SECURE_AUTH_KEY", "LOGGED_IN_KEY", "NONCE_KEY",
                      "AUTH_SALT", "SECURE_AUTH_SALT", "LOGGED_IN_SALT", "NONCE_SALT"] as $name) {
                printf("define(\x27%s\x27, \x27%s\x27);\n", $name, bin2hex(random_bytes(32)));
            }
        ' >"$html/wp-salts.php.new"
        chown www-data:www-data "$html/wp-salts.php.new"
        chmod 0640 "$html/wp-salts.php.new"
        mv "$html/wp-salts.php.new" "$html/wp-salts.php"
    fi
fi

exec "$@"
