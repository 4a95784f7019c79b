//! Names and connections: real name servers on this machine, honest, slow, and hostile.

use super::super::connect::{ConnectErrorKind, connect, name_server};
use super::super::resolve::{LookupError, Resolver, ask};
use super::*;
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{RData, Record};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::time::Instant;

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
