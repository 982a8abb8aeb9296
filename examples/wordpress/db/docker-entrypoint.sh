#!/bin/bash
# Prepares the data directory on first start, then becomes the server (exec), which receives the stop signal itself.
# Variables as in the official images: MYSQL_ROOT_PASSWORD, MYSQL_DATABASE, MYSQL_USER, MYSQL_PASSWORD, each also as *_FILE.
set -euo pipefail

datadir=/var/lib/mysql
init_socket=/run/mysqld/init.sock

from_file() {
    local name=$1 file_name=$1_FILE
    if [ -n "${!file_name:-}" ]; then
        if [ -n "${!name:-}" ]; then
            echo "error: both $name and $file_name are set" >&2
            exit 1
        fi
        export "$name=$(<"${!file_name}")"
        unset "$file_name"
    fi
}

sql_string() {
    local value=${1//\\/\\\\}
    printf "'%s'" "${value//\'/\\\'}"
}

sql_name() {
    printf '`%s`' "${1//\`/\`\`}"
}

as_root() {
    mariadb --no-defaults --socket="$init_socket" -u root --batch
}

initialise() {
    if [ -z "${MYSQL_ROOT_PASSWORD:-}" ]; then
        echo "error: the database is not initialised and MYSQL_ROOT_PASSWORD is not set" >&2
        exit 1
    fi
    echo "initialising the database" >&2
    mariadb-install-db --user=mysql --datadir="$datadir" --auth-root-authentication-method=normal \
        --skip-test-db --skip-name-resolve >/dev/null

    # A private server: its own socket, no TCP, so that nobody takes it for the real one.
    mariadbd --skip-networking --socket="$init_socket" &
    local server=$!
    until echo 'SELECT 1' | as_root >/dev/null 2>&1; do
        kill -0 "$server" 2>/dev/null || { echo "error: the server did not start" >&2; exit 1; }
        sleep 0.1
    done

    {
        # mariadb-install-db writes the container's name into accounts; it means nothing after the next recreation.
        echo "DELETE FROM mysql.global_priv WHERE User='' OR Host NOT IN ('localhost', '%');"
        echo "FLUSH PRIVILEGES;"
        echo "CREATE USER 'root'@'%' IDENTIFIED BY $(sql_string "$MYSQL_ROOT_PASSWORD");"
        echo "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
        if [ -n "${MYSQL_DATABASE:-}" ]; then
            echo "CREATE DATABASE IF NOT EXISTS $(sql_name "$MYSQL_DATABASE");"
        fi
        if [ -n "${MYSQL_USER:-}" ]; then
            echo "CREATE USER $(sql_string "$MYSQL_USER")@'%' IDENTIFIED BY $(sql_string "${MYSQL_PASSWORD:?MYSQL_USER needs MYSQL_PASSWORD}");"
            if [ -n "${MYSQL_DATABASE:-}" ]; then
                echo "GRANT ALL ON $(sql_name "$MYSQL_DATABASE").* TO $(sql_string "$MYSQL_USER")@'%';"
            fi
        fi
        echo "ALTER USER 'root'@'localhost' IDENTIFIED BY $(sql_string "$MYSQL_ROOT_PASSWORD");"
    } | as_root

    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sh) echo "running $file" >&2; bash "$file" ;;
            *.sql) echo "running $file" >&2; mariadb --no-defaults --socket="$init_socket" -u root "-p$MYSQL_ROOT_PASSWORD" ${MYSQL_DATABASE:+"$MYSQL_DATABASE"} <"$file" ;;
        esac
    done

    kill -TERM "$server"
    wait "$server"
    echo "database ready" >&2
}

if [ "${1:-}" = mariadbd ]; then
    for name in MYSQL_ROOT_PASSWORD MYSQL_DATABASE MYSQL_USER MYSQL_PASSWORD; do
        from_file "$name"
    done
    # /run may be a fresh tmpfs; a volume from elsewhere may belong to somebody else.
    if [ "$(id -u)" = 0 ]; then
        install -d -o mysql -g mysql -m 0755 /run/mysqld
        [ "$(stat -c %u "$datadir")" = 999 ] || chown mysql:mysql "$datadir"
    fi
    [ -d "$datadir/mysql" ] || initialise
fi

exec "$@"
