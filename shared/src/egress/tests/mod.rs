//! What the guard lets out, and how names are looked up ([`names`]).

mod names;

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn guard(allow: &[&str]) -> EgressGuard {
    EgressGuard::new(allow.iter().map(|net| net.parse().unwrap()).collect())
}

fn at(ip: &str) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), 443)
}

#[track_caller]
fn opens(allow: &[&str], ip: &str, expected: bool) {
    assert_eq!(guard(allow).judge(at(ip), Purpose::Check).is_ok(), expected, "{ip} with {allow:?}");
}

#[test]
fn the_corpus_is_judged_as_python_judged_it() {
    let corpus = include_str!("../../../tests/vectors/egress_corpus.txt");
    let mut wrong = Vec::new();
    for line in corpus.lines() {
        let (verdict, ip) = line.split_once(' ').unwrap();
        let allowed = addresses::judge(ip.parse().unwrap()).is_ok();
        if allowed != (verdict == "allow") {
            wrong.push(line);
        }
    }
    assert!(corpus.lines().count() > 700 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_denied_address_has_its_reason() {
    for (ip, denied) in [
        ("0.0.0.0", Denied::Unspecified),
        ("::", Denied::Unspecified),
        ("127.0.0.1", Denied::Loopback),
        ("::1", Denied::Loopback),
        ("::ffff:127.0.0.1", Denied::Loopback),
        ("::ffff:10.0.0.1", Denied::Private),
        ("169.254.0.1", Denied::LinkLocal),
        ("169.254.169.254", Denied::Metadata),
        ("168.63.129.16", Denied::Metadata),
        ("fd00:ec2::254", Denied::Metadata),
        ("fd20:ce::254", Denied::Metadata),
        ("::127.0.0.1", Denied::Translated),
        ("64:ff9b::7f00:1", Denied::Translated),
        ("2002:7f00:1::", Denied::Translated),
        ("fe80::1", Denied::LinkLocal),
        ("fec0::1", Denied::Private),
        ("224.0.0.1", Denied::Multicast),
        ("ff02::1", Denied::Multicast),
        ("255.255.255.255", Denied::Broadcast),
        ("240.0.0.1", Denied::Reserved),
        ("5f00::1", Denied::Reserved),
    ] {
        assert_eq!(addresses::judge(ip.parse().unwrap()), Err(denied), "{ip}");
    }
}

#[test]
fn the_operator_opens_private_ranges_and_nothing_beside_them() {
    opens(&[], "10.20.0.1", false);
    opens(&["10.20.0.0/16"], "10.20.0.1", true);
    opens(&["10.20.0.0/16"], "::ffff:10.20.0.1", true);
    opens(&["10.20.0.0/16"], "10.21.0.1", false);
    opens(&["fc00::/7"], "fd12::1", true);
    opens(&["fc00::/7"], "fd00:ec2::254", false);
    opens(&["fd00:ec2::254/128"], "fd00:ec2::254", true);
}

#[test]
fn loopback_link_local_and_metadata_open_only_when_meant() {
    for wide in ["0.0.0.0/0", "126.0.0.0/7", "::/0"] {
        opens(&[wide], "127.0.0.1", false);
        opens(&[wide], "169.254.169.254", false);
        opens(&[wide], "::1", false);
        opens(&[wide], "fe80::1", false);
        opens(&[wide], "0.0.0.0", false);
        opens(&[wide], "255.255.255.255", false);
        opens(&[wide], "224.0.0.1", false);
    }
    opens(&["127.0.0.0/8"], "127.0.0.1", true);
    opens(&["127.0.0.0/8"], "::ffff:127.0.0.1", true);
    opens(&["127.0.0.1/32"], "127.0.0.2", false);
    opens(&["::1/128"], "::1", true);
    opens(&["169.254.0.0/16"], "169.254.1.1", true);
    opens(&["169.254.0.0/16"], "169.254.169.254", false);
    opens(&["169.254.169.254/32"], "169.254.169.254", true);
}

#[test]
fn own_addresses_are_denied_unless_given_alone() {
    let own: Vec<IpAddr> = vec!["93.184.215.14".parse().unwrap(), "10.0.0.5".parse().unwrap()];
    let judge = |allow: &[&str], ip: &str| guard(allow).denying(own.clone()).judge(at(ip), Purpose::Check).is_ok();
    assert!(!judge(&[], "93.184.215.14") && judge(&[], "93.184.215.15"));
    assert!(!judge(&["10.0.0.0/8"], "10.0.0.5") && judge(&["10.0.0.0/8"], "10.0.0.6"));
    assert!(judge(&["10.0.0.5/32"], "10.0.0.5"));
}

#[test]
fn a_nat64_prefix_of_the_operator_leads_to_the_address_inside() {
    let guard = EgressGuard::default().with_nat64(vec!["64:ff9b::/96".parse().unwrap()]);
    assert!(guard.judge(at("64:ff9b::8.8.8.8"), Purpose::Check).is_ok());
    assert!(guard.judge(at("64:ff9b::127.0.0.1"), Purpose::Check).is_err());
    assert!(guard.judge(at("64:ff9b::10.0.0.1"), Purpose::Check).is_err());
}

#[test]
fn a_blocked_target_is_told_one_constant_sentence() {
    let messages: Vec<String> = ["127.0.0.1", "169.254.169.254", "fd00::1"]
        .iter()
        .map(|ip| guard(&[]).judge(at(ip), Purpose::Check).unwrap_err().to_string())
        .collect();
    assert!(messages.iter().all(|message| message == Blocked::MESSAGE), "{messages:?}");
    let zone = SocketAddr::V6(std::net::SocketAddrV6::new("2606:4700::1".parse().unwrap(), 443, 0, 2));
    assert!(guard(&[]).judge(zone, Purpose::Check).is_err());
    assert!(guard(&["2606:4700::/32"]).judge(SocketAddr::new(at("2606:4700::1").ip(), 25), Purpose::Check).is_err());
}

#[test]
fn urls_are_read_as_browsers_read_them() {
    let loopback = Host::Ipv4(Ipv4Addr::LOCALHOST);
    for url in [
        "http://0x7f.1/",
        "http://0177.1/",
        "http://2130706433/",
        "http://127.1/",
        "http://１２７.０.０.１/",
        "http://127。0。0。1/",
        "http://0x7f000001:80/",
        "http:\\\\127.0.0.1\\",
    ] {
        assert_eq!(parse_target(url).map(|target| target.host), Ok(loopback.clone()), "{url}");
    }
    for (url, bad) in [
        ("http://user@example.org/", BadTarget::UserInfo),
        ("http://example.org@127.0.0.1/", BadTarget::UserInfo),
        ("ftp://example.org/", BadTarget::Scheme("ftp".to_owned())),
        ("file:///etc/passwd", BadTarget::Scheme("file".to_owned())),
        ("http://[fe80::1%25eth0]/", BadTarget::Unreadable("http://[fe80::1%25eth0]/".to_owned())),
        ("http://", BadTarget::Unreadable("http://".to_owned())),
    ] {
        assert_eq!(parse_target(url), Err(bad), "{url}");
    }
    assert_eq!(parse_host("[::1]"), parse_host("::1"));
    assert_eq!(parse_host("0x7f.1"), Ok(loopback));
    assert!(parse_host("fe80::1%eth0").is_err());
}

/// Hosts in the forms that have fooled such guards before.
fn host() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just(0x7f00_0001_u32), Just(0xa9fe_a9fe_u32), Just(0x0a00_0001_u32), any::<u32>()];
    (number, 0..9_u8).prop_map(|(number, form)| {
        let ip = Ipv4Addr::from_bits(number);
        let [a, b, c, d] = ip.octets();
        match form {
            0 => ip.to_string(),
            1 => number.to_string(),
            2 => format!("0x{number:x}"),
            3 => format!("{a:#o}.{b:#x}.{c}.{d}").replace("0o", "0"),
            4 => format!("{a}.{}", number & 0x00ff_ffff),
            5 => format!("[::ffff:{ip}]"),
            6 => format!("[64:ff9b::{ip}]"),
            7 => format!("[2002:{:x}:{:x}::]", number >> 16, number & 0xffff),
            _ => format!("[::{ip}]"),
        }
    })
}

/// How many URLs are tried: a million with `tests/run --full`.
fn urls() -> u32 {
    if std::env::var_os("PICKET_FULL").is_some() { 1_000_000 } else { 100_000 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(urls()))]

    #[test]
    fn no_spelling_of_a_denied_address_is_allowed(
        host in host(),
        scheme in prop_oneof![Just("http://"), Just("https:"), Just("HTTP:\\\\")],
        rest in "[/?#@:\\\\a-z0-9.]{0,12}",
    ) {
        let Ok(target) = parse_target(&format!("{scheme}{host}{rest}")) else { return Ok(()) };
        let ip = match target.host {
            Host::Ipv4(ip) => IpAddr::V4(ip),
            Host::Ipv6(ip) => IpAddr::V6(ip),
            Host::Domain(_) => return Ok(()),
        };
        let allowed = guard(&[]).judge(SocketAddr::new(ip, 443), Purpose::Check).is_ok();
        // Judged another way: by what the standard library calls the address.
        let private = match ip.to_canonical() {
            IpAddr::V4(v4) => {
                v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || v4.octets()[0] == 0
            }
            IpAddr::V6(v6) => v6.segments()[0] & 0xe000 != 0x2000 || v6.segments()[0] == 0x2002,
        };
        prop_assert!(!(allowed && private), "{ip}");
    }
}
