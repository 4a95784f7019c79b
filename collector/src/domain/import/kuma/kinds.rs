//! What Picket has instead of the kinds of monitor that it has not.

/// Why a kind of Kuma's cannot be taken, and what is nearest.
pub(super) fn refusal(kind: &str) -> String {
    let (what, nearest) = match kind {
        "ping" | "tailscale-ping" | "globalping" => ("ping", "a tcp check of a port that is open, such as 443"),
        "push" => ("push", "an http check of something that the job leaves behind"),
        "docker" => ("Docker", "an http or tcp check of what the container serves"),
        "real-browser" => ("browser", "an http check of the URL, with a text that must be in the answer"),
        "json-query" => ("JSON query", "an http check with a text that must be in the answer"),
        "grpc-keyword" => ("gRPC", "a tls or tcp check of its host and port"),
        "websocket-upgrade" => ("WebSocket", "an http check of its host, or a tls check of its port"),
        "smtp" => ("SMTP", "a tcp check of port 25, 465 or 587"),
        "sqlserver" => ("database", "a tcp check of port 1433"),
        "postgres" => ("database", "a tcp check of port 5432"),
        "mysql" => ("database", "a tcp check of port 3306"),
        "mongodb" => ("database", "a tcp check of port 27017"),
        "oracledb" => ("database", "a tcp check of port 1521"),
        "redis" => ("database", "a tcp check of port 6379"),
        "mqtt" => ("MQTT", "a tcp check of port 1883, or a tls check of port 8883"),
        "kafka-producer" => ("Kafka", "a tcp check of a broker's port, such as 9092"),
        "rabbitmq" => ("RabbitMQ", "an http check of the node's management address"),
        "steam" | "gamedig" => ("game server", "a tcp check of a port that it has open, if it has one"),
        "sip-options" => ("SIP", "a tcp check of port 5060, or a tls check of port 5061"),
        "radius" => ("RADIUS", ""),
        "snmp" => ("SNMP", ""),
        "ntp" => ("NTP", ""),
        "manual" => ("manual", ""),
        "system-service" | "pm2" => ("process", "an http or tcp check of what the process serves"),
        other => {
            return format!("Picket does not know Uptime Kuma's kind {other:?}");
        }
    };
    if nearest.is_empty() {
        return format!("Picket has no {what} check, and nothing near it");
    }
    format!("Picket has no {what} check; nearest is {nearest}")
}
