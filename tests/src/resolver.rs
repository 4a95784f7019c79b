//! Name servers: knot with zones of ours, one that never answers, and one whose answers change.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::net::Place;
use crate::process::Process;
use crate::wait;

/// A knot server for the zone `shop.test` and for `broken.test`, which it cannot load (SERVFAIL).
#[derive(Debug)]
pub struct Resolver {
    /// Where it answers.
    pub address: SocketAddr,
    _process: Process,
}

impl Resolver {
    /// Starts knot in `place`; `records` are lines of the zone `shop.test` in presentation form.
    pub fn start(place: &Place, address: SocketAddr, folder: &Path, records: &[String]) -> Self {
        fs::create_dir_all(folder).unwrap();
        let zone = format!(
            "$ORIGIN shop.test.\n$TTL 1\n@ SOA ns.shop.test. hostmaster.shop.test. 1 60 60 60 1\n@ NS ns\nns A {}\n{}\n",
            address.ip(),
            records.join("\n")
        );
        fs::write(folder.join("shop.test.zone"), zone).unwrap();
        let configuration = format!(
            "server:\n    rundir: {folder}\n    listen: {}@{}\n    udp-workers: 1\n    tcp-workers: 1\n    background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n    storage: {folder}/db\n\
             template:\n  - id: default\n    storage: {folder}\n    file: \"%s.zone\"\n    journal-content: none\n\
             zone:\n  - domain: shop.test\n  - domain: broken.test\n",
            address.ip(),
            address.port(),
            folder = folder.display(),
        );
        fs::write(folder.join("knot.conf"), configuration).unwrap();
        let mut command = place.command("/usr/sbin/knotd");
        command.arg("-c").arg(folder.join("knot.conf"));
        let mut process = Process::start("knotd", command, &folder.join("knot.log"));
        wait::until("knot's zone", Duration::from_secs(20), || {
            assert!(process.runs(), "knot ended: {}", process.log());
            ask(place, address, "shop.test.", RecordType::SOA)
        });
        Self { address, _process: process }
    }
}

/// Asks `server` one question from `place`.
///
/// # Errors
/// When nothing comes, or no record.
pub fn ask(place: &Place, server: SocketAddr, name: &str, record: RecordType) -> Result<Vec<Record>, String> {
    let mut query = Message::query();
    query.add_query(hickory_proto::op::Query::query(Name::from_str(name).unwrap(), record));
    let socket = place.receive(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    socket.send_to(&query.to_vec().unwrap(), server).map_err(|error| error.to_string())?;
    let mut bytes = [0; 4096];
    let length = socket.recv(&mut bytes).map_err(|error| error.to_string())?;
    let answer = Message::from_vec(&bytes[..length]).map_err(|error| error.to_string())?;
    match answer.metadata.response_code {
        ResponseCode::NoError if !answer.answers.is_empty() => Ok(answer.answers),
        code => Err(format!("{code}, {} records", answer.answers.len())),
    }
}

/// A name server that takes every question and never answers.
#[derive(Debug)]
pub struct Silence {
    _socket: UdpSocket,
}

impl Silence {
    /// Holds the port.
    pub fn at(place: &Place, address: SocketAddr) -> Self {
        Self { _socket: place.receive(address) }
    }
}

/// A name with the answers it gives, one question after the other and then from the start again, all with TTL 0.
#[derive(Clone, Debug)]
pub struct Rebinding {
    /// The name, without a dot at its end.
    pub name: String,
    /// Each answer: addresses of either kind.
    pub answers: Vec<Vec<IpAddr>>,
}

/// A name server in this process whose answers change from question to question.
#[derive(Debug)]
pub struct ChangingResolver {
    asked: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ChangingResolver {
    /// Answers at `address` in `place`.
    pub fn start(place: &Place, address: SocketAddr, names: Vec<Rebinding>) -> Self {
        let socket = place.receive(address);
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (asked, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = thread::spawn({
            let (asked, over) = (Arc::clone(&asked), Arc::clone(&over));
            move || serve(&socket, &names, &asked, &over)
        });
        Self { asked, over, thread: Some(thread) }
    }

    /// How many questions came.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Drop for ChangingResolver {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, names: &[Rebinding], asked: &AtomicUsize, over: &AtomicBool) {
    // Questions for A and for AAAA count apart, so that one look-up sees one answer.
    let mut turns = vec![[0_usize; 2]; names.len()];
    let mut bytes = [0; 4096];
    while !over.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut bytes) else { continue };
        let Ok(query) = Message::from_vec(&bytes[..length]) else { continue };
        asked.fetch_add(1, Ordering::Relaxed);
        let answer = answer(query, names, &mut turns);
        let _ = socket.send_to(&answer.to_vec().unwrap(), from);
    }
}

fn answer(query: Message, names: &[Rebinding], turns: &mut [[usize; 2]]) -> Message {
    let mut answer = query.into_response();
    answer.metadata.recursion_available = true;
    answer.metadata.authoritative = true;
    answer.edns = None;
    let Some(question) = answer.queries.first().cloned() else { return answer };
    let asked_for = question.name().to_string().trim_end_matches('.').to_ascii_lowercase();
    let Some(index) = names.iter().position(|known| known.name == asked_for) else {
        answer.metadata.response_code = ResponseCode::NXDomain;
        return answer;
    };
    let wants_v6 = match question.query_type() {
        RecordType::A => false,
        RecordType::AAAA => true,
        _ => return answer,
    };
    let turn = &mut turns[index][usize::from(wants_v6)];
    let addresses = &names[index].answers[*turn % names[index].answers.len()];
    *turn += 1;
    for &address in addresses {
        let data = match address {
            IpAddr::V4(v4) if !wants_v6 => RData::A(v4.into()),
            IpAddr::V6(v6) if wants_v6 => RData::AAAA(v6.into()),
            _ => continue,
        };
        answer.add_answer(Record::from_rdata(question.name().clone(), 0, data));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changing_resolver_answers_in_turn() {
        let place = Place::here();
        let address: SocketAddr = "127.77.255.2:5399".parse().unwrap();
        let [one, two]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let rebinding = Rebinding { name: "a.test".to_owned(), answers: vec![vec![one], vec![two]] };
        let _server = ChangingResolver::start(&place, address, vec![rebinding]);
        let look = || match ask(&place, address, "a.test.", RecordType::A).unwrap()[0].data {
            RData::A(v4) => IpAddr::V4(v4.0),
            ref other => panic!("{other}"),
        };
        assert_eq!([look(), look(), look()], [one, two, one]);
        assert!(ask(&place, address, "b.test.", RecordType::A).is_err());
    }

    #[test]
    fn knot_serves_one_zone_and_fails_for_the_other() {
        let place = Place::here();
        let folder = tempfile::tempdir().unwrap();
        let address: SocketAddr = "127.77.255.3:5398".parse().unwrap();
        let server = Resolver::start(&place, address, folder.path(), &["www A 192.0.2.7".to_owned()]);
        assert_eq!(ask(&place, server.address, "www.shop.test.", RecordType::A).unwrap().len(), 1);
        assert!(ask(&place, server.address, "no.shop.test.", RecordType::A).unwrap_err().contains("Non-Existent"));
        assert!(ask(&place, server.address, "www.broken.test.", RecordType::A).unwrap_err().contains("Server Failure"));
    }
}
