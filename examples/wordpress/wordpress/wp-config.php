<?php
// Everything comes from the environment, so that the image holds no secret; keys and salts are made once, into the volume.
function env(string $name, ?string $default = null): string {
    $file = getenv($name . '_FILE');
    if ($file !== false && $file !== '') {
        return rtrim(file_get_contents($file), "\r\n");
    }
    $value = getenv($name);
    return $value === false ? (string) $default : $value;
}

define('DB_HOST', env('WORDPRESS_DB_HOST', 'db'));
define('DB_NAME', env('WORDPRESS_DB_NAME', 'wordpress'));
define('DB_USER', env('WORDPRESS_DB_USER', 'wordpress'));
define('DB_PASSWORD', env('WORDPRESS_DB_PASSWORD'));
define('DB_CHARSET', env('WORDPRESS_DB_CHARSET', 'utf8mb4'));
define('DB_COLLATE', env('WORDPRESS_DB_COLLATE', ''));
$table_prefix = env('WORDPRESS_TABLE_PREFIX', 'wp_');

require __DIR__ . '/wp-salts.php';

define('WP_DEBUG', (bool) env('WORDPRESS_DEBUG', ''));
if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
    $_SERVER['HTTPS'] = 'on';
}

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
