use std::net::Ipv4Addr;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{RData, Record};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

use super::connect::{ConnectErrorKind, connect, name_server};
use super::resolve::{LookupError, Resolver, ask};
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
    let corpus = include_str!("../../tests/vectors/egress_corpus.txt");
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

/// A name server whose `n`th question for an address is answered by the `n`th address, the last one for ever.
async fn rebinding(answers: Vec<IpAddr>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut buffer, mut asked) = ([0_u8; 1500], 0_usize);
        loop {
            let Ok((size, from)) = socket.recv_from(&mut buffer).await else { return };
            let Ok(question) = Message::from_vec(&buffer[..size]) else { continue };
            let mut answer = question.clone();
            answer.metadata.message_type = MessageType::Response;
            let query = question.queries[0].clone();
            let data = match (query.query_type(), answers[asked.min(answers.len() - 1)]) {
                (hickory_proto::rr::RecordType::A, IpAddr::V4(ip)) => Some(RData::A(A(ip))),
                (hickory_proto::rr::RecordType::AAAA, IpAddr::V6(ip)) => Some(RData::AAAA(AAAA(ip))),
                _ => None,
            };
            if let Some(data) = data {
                asked += 1;
                answer.answers.push(Record::from_rdata(query.name().clone(), 0, data));
            }
            let _ = socket.send_to(&answer.to_vec().unwrap(), from).await;
        }
    });
    address
}

#[tokio::test]
async fn a_name_that_rebinds_to_this_machine_reaches_nobody() {
    let canary = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = canary.local_addr().unwrap().port();
    let public: IpAddr = "93.184.215.14".parse().unwrap();
    let server = rebinding(vec![public, "127.0.0.1".parse().unwrap()]).await;
    let resolver = Resolver::with_servers(&[server]).unwrap();
    let time = Duration::from_secs(5);
    assert_eq!(resolver.lookup_ip("rebind.example.org", time).await, Ok(vec![public]));
    for _ in 0..3 {
        let found = resolver.lookup_ip("rebind.example.org", time).await.unwrap();
        let found: Vec<SocketAddr> = found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        let refused = connect(&guard(&[]), &found, Purpose::Check, Instant::now() + time).await.unwrap_err();
        assert!(matches!(refused.kind, ConnectErrorKind::Blocked(_)) && refused.address.is_none(), "{refused:?}");
    }
    let silence = tokio::time::timeout(Duration::from_millis(100), canary.accept()).await;
    assert!(silence.is_err(), "the canary was contacted");
}

#[tokio::test]
async fn of_mixed_addresses_only_the_allowed_ones_are_used_and_the_rest_counted() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let mixed = [at("169.254.169.254"), at("::1"), SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)];
    let connected = connect(&guard(&["127.0.0.1/32"]), &mixed, Purpose::Check, Instant::now() + Duration::from_secs(5))
        .await
        .unwrap();
    assert_eq!((connected.address, connected.blocked), (mixed[2], 2));
}

#[tokio::test]
async fn look_ups_tell_their_failures_apart() {
    let server = rebinding(vec!["93.184.215.14".parse().unwrap()]).await;
    let resolver = Resolver::with_servers(&[server]).unwrap();
    let time = Duration::from_secs(2);
    let mx = resolver.lookup("example.org", crate::check::RecordType::Mx, time).await;
    assert_eq!(mx, Err(LookupError::NoData));
    assert_eq!(resolver.lookup_ip("not a name\u{1}..", time).await, Err(LookupError::BadName));
    assert_eq!(
        resolver.lookup_ip("www.localhost", time).await.map(|ips| ips.len()),
        Ok(2),
        "localhost is this machine without asking anyone"
    );
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::with_servers(&[silent.local_addr().unwrap()]).unwrap();
    let fault = resolver.lookup_ip("example.org", Duration::from_millis(200)).await;
    assert!(matches!(fault, Err(LookupError::Fault(_))), "a silent resolver is a fault of its own: {fault:?}");
}

/// What a name server does with the `n`th datagram that comes: what it sends back, from the port asked or from another.
type Script = fn(usize, Message) -> Vec<(Port, Message)>;

#[derive(Clone, Copy, PartialEq)]
enum Port {
    Asked,
    Other,
}

/// A name server that follows a script by UDP and answers everything with 192.0.2.53 by TCP at the same port.
async fn scripted(script: Script) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, other) = (UdpSocket::bind(address).await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
    tokio::spawn(async move {
        let mut buffer = [0_u8; 1500];
        for n in 0.. {
            let Ok((size, from)) = asked.recv_from(&mut buffer).await else { return };
            for (port, answer) in script(n, Message::from_vec(&buffer[..size]).unwrap()) {
                let socket = if port == Port::Asked { &asked } else { &other };
                socket.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
            }
        }
    });
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut question).await.unwrap();
            let answer = answered(Message::from_vec(&question).unwrap(), 53).to_vec().unwrap();
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    });
    address
}

/// The answer 192.0.2.`last` to a question.
fn answered(mut message: Message, last: u8) -> Message {
    let name = message.queries[0].name().clone();
    message.metadata.message_type = MessageType::Response;
    message.answers.push(Record::from_rdata(name, 0, RData::A(A::new(192, 0, 2, last))));
    message
}

#[track_caller]
fn asked(server: SocketAddr) -> impl Future<Output = Result<Vec<String>, LookupError>> {
    let server = name_server(&guard(&["127.0.0.1/32"]), &[server]).unwrap();
    async move {
        let answer = ask(server, "www.example.org", crate::check::RecordType::A, Duration::from_secs(3)).await;
        answer.map(|answer| answer.records)
    }
}

#[tokio::test]
async fn a_name_server_that_loses_a_question_is_asked_again() {
    let server = scripted(|n, question| if n == 0 { vec![] } else { vec![(Port::Asked, answered(question, 1))] }).await;
    assert_eq!(asked(server).await, Ok(vec!["192.0.2.1".to_owned()]));
}

#[tokio::test]
async fn an_answer_that_was_cut_is_had_by_tcp() {
    let server = scripted(|_, question| {
        let mut cut = answered(question, 1);
        cut.metadata.truncation = true;
        cut.answers.clear();
        vec![(Port::Asked, cut)]
    })
    .await;
    assert_eq!(asked(server).await, Ok(vec!["192.0.2.53".to_owned()]));
}

#[tokio::test]
async fn forged_answers_are_not_heard_while_the_true_one_is_on_its_way() {
    let server = scripted(|_, question| {
        let from_another_port = (Port::Other, answered(question.clone(), 66));
        let mut numbered = answered(question.clone(), 67);
        numbered.metadata.id ^= 1;
        let mut asked_otherwise = answered(question.clone(), 68);
        asked_otherwise.queries[0].name = "evil.example.org.".parse().unwrap();
        let forged = [from_another_port, (Port::Asked, numbered), (Port::Asked, asked_otherwise)];
        forged.into_iter().chain([(Port::Asked, answered(question, 1))]).collect()
    })
    .await;
    assert_eq!(asked(server).await, Ok(vec!["192.0.2.1".to_owned()]));
}

#[tokio::test]
async fn an_alias_that_the_server_does_not_follow_is_asked_for() {
    let server = scripted(|n, mut question| {
        if n > 0 {
            assert_eq!(question.queries[0].name().to_string(), "shop.example.net.");
            return vec![(Port::Asked, answered(question, 2))];
        }
        let name = question.queries[0].name().clone();
        question.metadata.message_type = MessageType::Response;
        question.answers.push(Record::from_rdata(name, 0, RData::CNAME(CNAME("shop.example.net.".parse().unwrap()))));
        vec![(Port::Asked, question)]
    })
    .await;
    assert_eq!(asked(server).await, Ok(vec!["192.0.2.2".to_owned()]));
}

#[tokio::test]
async fn a_name_server_at_a_denied_address_is_sent_nothing_and_one_that_is_not_there_is_silent() {
    let canary = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = canary.local_addr().unwrap();
    let denied = name_server(&guard(&[]), &[address]).unwrap_err();
    assert!(matches!(denied.kind, ConnectErrorKind::Blocked(_)), "{denied:?}");
    assert_eq!(canary.try_recv(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop(canary);
    let server = name_server(&guard(&["127.0.0.1/32"]), &[address]).unwrap();
    let nobody = ask(server, "www.example.org", crate::check::RecordType::A, Duration::from_millis(300)).await;
    assert_eq!(nobody, Err(LookupError::Timeout));
}
