//! Which ports may be contacted, by purpose. Pure.

/// What a socket is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A check of a target: any port but that of mail servers, which would take a probe for a source of spam.
    Check,
    /// A message to a URL that a tenant named.
    Webhook,
}

const SMTP: u16 = 25;
const WEB: [u16; 4] = [80, 443, 8080, 8443];

/// Whether `port` may be contacted; the operator's own list opens every port to webhooks.
pub(super) fn permit(port: u16, purpose: Purpose, address_allowed_by_operator: bool) -> bool {
    match purpose {
        Purpose::Check => port != SMTP && port != 0,
        Purpose::Webhook => WEB.contains(&port) || (address_allowed_by_operator && port != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_reach_any_port_but_mail_and_webhooks_only_the_web() {
        assert!(permit(22, Purpose::Check, false) && permit(65535, Purpose::Check, false));
        assert!(!permit(25, Purpose::Check, true) && !permit(0, Purpose::Check, true));
        assert!(permit(8443, Purpose::Webhook, false) && !permit(22, Purpose::Webhook, false));
        assert!(permit(9000, Purpose::Webhook, true));
    }
}
