"""Writes databases as Uptime Kuma 1.23 and 2.5 have them, with monitors of every kind that they know.

    kuma.py VERSION FILE [--rows] [--wal] [--many N] [--utf16]

Tables, columns, types and defaults are those of the real programs. --rows adds the rows to a FILE whose tables are
there already, such as one that an Uptime Kuma made itself; --wal leaves the rows in the write-ahead log beside it.
"""

import os
import sqlite3
import sys

# The columns that the table of monitors was made with, and those that were added later: rows of before lack them.
FIRST = """
    name VARCHAR(150)
    active BOOLEAN NOT NULL DEFAULT 1
    user_id INTEGER
    interval INTEGER NOT NULL DEFAULT 20
    url TEXT
    type VARCHAR(20)
    weight INTEGER DEFAULT 2000
    hostname VARCHAR(255)
    port INTEGER
    created_date DATETIME NOT NULL DEFAULT (DATETIME('now'))
    keyword VARCHAR(255)
    maxretries INTEGER NOT NULL DEFAULT 0
    ignore_tls BOOLEAN NOT NULL DEFAULT 0
    upside_down BOOLEAN NOT NULL DEFAULT 0
    maxredirects INTEGER NOT NULL DEFAULT 10
    accepted_statuscodes_json TEXT NOT NULL DEFAULT '["200-299"]'
"""

ADDED = """
    dns_resolve_type VARCHAR(5)
    dns_resolve_server VARCHAR(255)
    dns_last_result VARCHAR(255)
    retry_interval INTEGER NOT NULL DEFAULT 0
    push_token VARCHAR(20)
    method TEXT NOT NULL DEFAULT 'GET'
    body TEXT
    headers TEXT
    basic_auth_user TEXT
    basic_auth_pass TEXT
    docker_host INTEGER
    docker_container VARCHAR(255)
    proxy_id INTEGER
    expiry_notification BOOLEAN DEFAULT 1
    mqtt_topic TEXT
    mqtt_success_message VARCHAR(255)
    mqtt_username VARCHAR(255)
    mqtt_password VARCHAR(255)
    database_connection_string VARCHAR(2000)
    database_query TEXT
    auth_method VARCHAR(250)
    auth_domain TEXT
    auth_workstation TEXT
    grpc_url VARCHAR(255)
    grpc_protobuf TEXT
    grpc_body TEXT
    grpc_metadata TEXT
    grpc_method VARCHAR(255)
    grpc_service_name VARCHAR(255)
    grpc_enable_tls BOOLEAN NOT NULL DEFAULT 0
    radius_username VARCHAR(255)
    radius_password VARCHAR(255)
    radius_calling_station_id VARCHAR(50)
    radius_called_station_id VARCHAR(50)
    radius_secret VARCHAR(255)
    resend_interval INTEGER NOT NULL DEFAULT 0
    packet_size INTEGER NOT NULL DEFAULT 56
    game VARCHAR(255)
    http_body_encoding VARCHAR(25)
    description TEXT
    tls_ca TEXT
    tls_cert TEXT
    tls_key TEXT
    parent INTEGER
    invert_keyword BOOLEAN NOT NULL DEFAULT 0
    json_path TEXT
    expected_value VARCHAR(255)
    kafka_producer_topic VARCHAR(255)
    kafka_producer_brokers TEXT
    kafka_producer_sasl_options TEXT
    kafka_producer_message TEXT
    oauth_client_id TEXT
    oauth_client_secret TEXT
    oauth_token_url TEXT
    oauth_scopes TEXT
    oauth_auth_method TEXT
    timeout DOUBLE NOT NULL DEFAULT 0
    gamedig_given_port_only BOOLEAN NOT NULL DEFAULT 1
    kafka_producer_ssl BOOLEAN NOT NULL DEFAULT 0
    kafka_producer_allow_auto_topic_creation BOOLEAN NOT NULL DEFAULT 0
"""

# What version 2 has beyond.
SECOND = """
    mqtt_check_type varchar(255) NOT NULL DEFAULT 'keyword'
    remote_browser INTEGER
    snmp_oid varchar(255)
    snmp_version TEXT DEFAULT '2c'
    json_path_operator varchar(255)
    cache_bust boolean NOT NULL DEFAULT '0'
    conditions TEXT NOT NULL DEFAULT '[]'
    rabbitmq_nodes TEXT
    rabbitmq_username varchar(255)
    rabbitmq_password varchar(255)
    smtp_security varchar(255)
    ws_ignore_sec_websocket_accept_header boolean NOT NULL DEFAULT '0'
    ws_subprotocol varchar(255) NOT NULL DEFAULT ''
    ping_count INTEGER NOT NULL DEFAULT '1'
    ping_numeric boolean NOT NULL DEFAULT '1'
    ping_per_request_timeout INTEGER NOT NULL DEFAULT '2'
    ip_family varchar(4)
    manual_status INTEGER
    oauth_audience varchar(255)
    mqtt_websocket_path varchar(255)
    domain_expiry_notification boolean DEFAULT '0'
    save_response boolean NOT NULL DEFAULT '0'
    save_error_response boolean NOT NULL DEFAULT '1'
    response_max_length INTEGER NOT NULL DEFAULT '1024'
    system_service_name varchar(255)
    subtype varchar(10)
    location varchar(255)
    protocol varchar(20)
    snmp_v3_username varchar(255)
    expected_tls_alert varchar(50)
    retry_only_on_status_code_failure boolean NOT NULL DEFAULT '0'
    screenshot_delay INTEGER NOT NULL DEFAULT '0'
    ntp_stratum_threshold INTEGER DEFAULT '5'
    ntp_time_offset_threshold INTEGER DEFAULT '1000'
    ntp_root_dispersion_threshold INTEGER DEFAULT '500'
    bearer_token TEXT
    gamedig_token TEXT
"""

# What version 2 gave another type.
RETYPED = {"dns_last_result": "text", "push_token": "varchar(32)"}

# The other tables that say something, the same in both versions as far as they are read.
OTHERS = {
    "tag": """
        name VARCHAR(255) NOT NULL
        color VARCHAR(255) NOT NULL
        created_date DATETIME NOT NULL DEFAULT (DATETIME('now'))
    """,
    "monitor_tag": """
        monitor_id INTEGER NOT NULL
        tag_id INTEGER NOT NULL
        value TEXT
    """,
    "setting": """
        key VARCHAR(200) NOT NULL
        value TEXT
        type VARCHAR(20)
    """,
    "notification": """
        name VARCHAR(255)
        active BOOLEAN NOT NULL DEFAULT 1
        user_id INTEGER NOT NULL
        is_default BOOLEAN NOT NULL DEFAULT 0
        config TEXT
    """,
    "monitor_notification": """
        monitor_id INTEGER NOT NULL
        notification_id INTEGER NOT NULL
    """,
    "proxy": """
        user_id INT NOT NULL
        protocol VARCHAR(10) NOT NULL
        host VARCHAR(255) NOT NULL
        port SMALLINT NOT NULL
        auth BOOLEAN NOT NULL
        username VARCHAR(255)
        password VARCHAR(255)
        active BOOLEAN NOT NULL DEFAULT 1
        default BOOLEAN NOT NULL DEFAULT 0
        created_date DATETIME NOT NULL DEFAULT (DATETIME('now'))
    """,
    "maintenance": """
        title VARCHAR(150) NOT NULL
        description TEXT NOT NULL
        user_id INTEGER
        active BOOLEAN NOT NULL DEFAULT 1
        strategy VARCHAR(50) NOT NULL DEFAULT 'single'
        start_date DATETIME
        end_date DATETIME
        start_time TIME
        end_time TIME
        weekdays VARCHAR2(250) DEFAULT '[]'
        days_of_month TEXT DEFAULT '[]'
        interval_day INTEGER
        cron TEXT
        timezone VARCHAR(255)
        duration INTEGER
    """,
    "status_page": """
        slug VARCHAR(255) NOT NULL
        title VARCHAR(255) NOT NULL
        description TEXT
        icon VARCHAR(255) NOT NULL
        theme VARCHAR(30) NOT NULL
        published BOOLEAN NOT NULL DEFAULT 1
        search_engine_index BOOLEAN NOT NULL DEFAULT 1
        show_tags BOOLEAN NOT NULL DEFAULT 0
        password VARCHAR
        created_date DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
        modified_date DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP
        footer_text TEXT
        custom_css TEXT
        show_powered_by BOOLEAN NOT NULL DEFAULT 1
        google_analytics_tag_id VARCHAR
        show_certificate_expiry BOOLEAN NOT NULL DEFAULT 0
    """,
}

HTTP = {"type": "http", "expiry_notification": 0, "interval": 60, "timeout": 48, "accepted_statuscodes_json": '["200-299"]'}
SHOP = "https://shop.example/"


def web(name, **more):
    return {**HTTP, "name": name, "url": SHOP, **more}


# Ids are given by the order, from 1.
ROWS = [
    web("Shop", type="group", url=None),
    web("Shop front", parent=1, maxretries=3, resend_interval=10, description="The front", expiry_notification=1),
    web("Search", type="keyword", keyword="Results", url=SHOP + "search?q=a", parent=1, maxredirects=3, method="POST",
        body='{"q": "a"}', headers='{"X-Team": "shop", "X-Api-Key": "k"}', accepted_statuscodes_json='["200-299", "404"]'),
    web("Search again", url=SHOP + "again", expiry_notification=1, active=0),
    web("No errors", type="keyword", keyword="Exception", invert_keyword=1, ignore_tls=1, active=0),
    web("Basic", auth_method="basic", basic_auth_user="picket", basic_auth_pass="canary-basic-secret"),
    web("In the URL", url="https://user:canary%2Durl@shop.example/private"),
    web("Bearer header", headers='{"Authorization": "Bearer canary-header-secret"}'),
    web("By proxy", proxy_id=1, timeout=0, interval=20),
    web("NTLM", auth_method="ntlm", basic_auth_user="u", basic_auth_pass="p"),
    web("OAuth", auth_method="oauth2-cc"),
    web("mTLS", auth_method="mtls"),
    web("Upside down", upside_down=1),
    web("JSON", type="json-query", json_path="$.ok", expected_value="true"),
    {"type": "port", "name": "Mail", "hostname": "mail.example", "port": 25, "interval": 60, "timeout": 48},
    {"type": "dns", "name": "Zone", "hostname": "shop.example", "dns_resolve_type": "MX", "dns_resolve_server": "192.0.2.53, 192.0.2.54",
     "port": 53, "interval": 300, "timeout": 30},
    {"type": "dns", "name": "Reverse", "hostname": "192.0.2.1", "dns_resolve_type": "PTR", "dns_resolve_server": "192.0.2.53",
     "port": 5353, "interval": 300},
    web("Same name", url=SHOP + "1"),
    web("Same name", url=SHOP + "2"),
    web("\x1b[31mred\nline", url=SHOP + "3"),
    web("Fast", url=SHOP + "4", interval=1, timeout=100),
    web("Big body", url=SHOP + "5", body="x" * 20000, http_body_encoding="form"),
    web("Bad URL", url="ftp://shop.example/"),
] + [
    {"type": kind, "name": "a " + kind, "hostname": "shop.example", "port": 1, "interval": 60}
    for kind in ("ping", "push", "docker", "steam", "gamedig", "mqtt", "sqlserver", "postgres", "mysql", "mongodb", "redis",
                 "radius", "grpc-keyword", "kafka-producer", "real-browser", "tailscale-ping")
]

ROWS_2 = [
    web("Bearer", auth_method="bearer", bearer_token="canary-bearer-secret", cache_bust=1, ip_family="ipv6",
        domain_expiry_notification=1),
    {"type": "dns", "name": "One of two", "hostname": "shop.example", "dns_resolve_type": "A", "dns_resolve_server": "192.0.2.53",
     "port": 53, "interval": 60, "conditions": '[{"type": "expression", "variable": "record", "operator": "equals", "value": "192.0.2.1"},'
     ' {"type": "expression", "variable": "record", "operator": "equals", "value": "192.0.2.2", "andOr": "or"}]'},
    {"type": "port", "name": "TLS alert", "hostname": "shop.example", "port": 443, "interval": 60,
     "expected_tls_alert": "certificate_required"},
] + [
    {"type": kind, "name": "a " + kind, "hostname": "shop.example", "port": 1, "interval": 60}
    for kind in ("snmp", "smtp", "rabbitmq", "websocket-upgrade", "manual", "system-service", "globalping", "sip-options", "ntp",
                 "oracledb", "pm2", "something-new")
]


def columns(text):
    return [line.strip() for line in text.strip().splitlines()]


def make(db, version):
    """The tables. Version 1 grew column by column, version 2 rewrote the table with other quotes."""
    first, added, second = columns(FIRST), columns(ADDED), columns(SECOND)
    if version == 1:
        db.execute(f'CREATE TABLE "monitor" (\n\tid INTEGER not null primary key autoincrement,\n\t{", ".join(first)}\n)')
        # A row of the oldest days: it has no value for any later column.
        db.execute("INSERT INTO monitor (name, type, url, interval, created_date) VALUES ('Oldest', 'http', 'https://old.example/', 60, '2021-01-01 00:00:00')")
        for column in added:
            db.execute(f"ALTER TABLE monitor ADD {column}")
    else:
        split = [column.split(" ", 1) for column in first + added + second]
        quoted = [f"`{name}` {RETYPED.get(name, kind)}" for name, kind in split]
        db.execute(f"CREATE TABLE `monitor` (`id` integer not null primary key autoincrement, {', '.join(quoted)})")
    for table, text in OTHERS.items():
        named = [f"[{column.split(' ', 1)[0]}] {column.split(' ', 1)[1]}" for column in columns(text)]
        db.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, {', '.join(named)})")
    db.execute("CREATE TABLE heartbeat (id INTEGER PRIMARY KEY, monitor_id INTEGER, status SMALLINT, msg TEXT, time DATETIME)")
    db.execute("CREATE INDEX heartbeat_monitor ON heartbeat (monitor_id, time)")
    db.execute("CREATE VIEW trap AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n")


def insert(db, table, row):
    names = ", ".join(f'"{name}"' for name in row)
    db.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(row))})", list(row.values()))


def fill(db, version, many):
    shift = db.execute("SELECT count(*) FROM monitor").fetchone()[0]
    rows = ROWS + (ROWS_2 if version == 2 else [])
    rows += [web(f"Many {n}", url=f"https://many.example/{n}") for n in range(many)]
    for number, row in enumerate(rows):
        row = {**row, "created_date": f"2024-01-01 00:{number // 60 % 60:02}:{number % 60:02}"}
        if "parent" in row:
            row["parent"] += shift
        insert(db, "monitor", row)
    front = shift + 2
    insert(db, "tag", {"id": 1, "name": "env", "color": "#ff0000"})
    insert(db, "tag", {"id": 2, "name": "web", "color": "#00ff00"})
    insert(db, "monitor_tag", {"monitor_id": front, "tag_id": 1, "value": "prod"})
    insert(db, "monitor_tag", {"monitor_id": front, "tag_id": 2, "value": ""})
    insert(db, "setting", {"key": "tlsExpiryNotifyDays", "value": "[10,30]", "type": "general"})
    insert(db, "notification", {"name": "mail", "user_id": 1, "config": '{"smtpPassword": "canary-smtp"}'})
    insert(db, "monitor_notification", {"monitor_id": front, "notification_id": 1})
    insert(db, "proxy", {"user_id": 1, "protocol": "http", "host": "proxy.example", "port": 3128, "auth": 0})
    insert(db, "maintenance", {"title": "Night", "description": "", "user_id": None})
    insert(db, "status_page", {"slug": "s", "title": "Status", "icon": "/i", "theme": "auto"})
    if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'trap'").fetchone()[0]:
        beats = [(number % 30, "x" * (number % 300)) for number in range(3000)]
        db.executemany("INSERT INTO heartbeat (monitor_id, status, msg) VALUES (?, 1, ?)", beats)


def main():
    version, file, options = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    many = int(options[options.index("--many") + 1]) if "--many" in options else 0
    db = sqlite3.connect(file)
    db.isolation_level = None
    if "--rows" not in options:
        if "--utf16" in options:
            db.execute("PRAGMA encoding = 'UTF-16le'")
        make(db, version)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("BEGIN")
    fill(db, version, many)
    db.execute("COMMIT")
    if "--wal" in options:
        # As after a crash: what was committed lies in the log alone.
        sys.stdout.flush()
        os._exit(0)
    db.close()


main()
