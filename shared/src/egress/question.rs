//! One question to one name server as bytes, and what of its answer counts (RFC 1035, RFC 6891). Pure.
//!
//! [`resolve`](super::resolve) sends the bytes and hands over what comes back. An answer counts only if it has the
//! question's number and repeats the question itself; who sent it, the socket has settled before.

use hickory_proto::op::{DEFAULT_MAX_PAYLOAD_LEN, Edns, Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};

use super::resolve::LookupError;

/// A question and its bytes.
#[derive(Debug)]
pub(super) struct Question {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
}

/// What an answer comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Reply {
    /// Records of the type asked for, at least one.
    Records(Vec<RData>),
    /// The name is another name for this one, which the answer says nothing about.
    Alias(Name),
    /// The answer was cut to fit: the whole one is to be had by TCP.
    Cut,
}

impl Question {
    /// A question under a number that nobody can foretell.
    ///
    /// # Errors
    /// When the name cannot be asked for.
    pub(super) fn new(name: Name, kind: RecordType) -> Result<Self, LookupError> {
        let query = Query::query(name, kind);
        let mut message = Message::query();
        message.metadata.recursion_desired = true;
        message.add_query(query.clone());
        let mut edns = Edns::new();
        edns.set_max_payload(DEFAULT_MAX_PAYLOAD_LEN);
        message.set_edns(edns);
        let bytes = message.to_vec().map_err(|_| LookupError::BadName)?;
        Ok(Self { id: message.metadata.id, query, bytes })
    }

    /// What is sent.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads what came; `None` if it does not answer this question, whoever meant it for what.
    pub(super) fn read(&self, bytes: &[u8]) -> Option<Result<Reply, LookupError>> {
        if bytes.first_chunk() != Some(&self.id.to_be_bytes()) {
            return None;
        }
        let Ok(message) = Message::from_vec(bytes) else { return Some(Err(LookupError::Malformed)) };
        let ours = message.metadata.message_type == MessageType::Response && message.queries == [self.query.clone()];
        ours.then(|| self.judge(message))
    }

    fn judge(&self, message: Message) -> Result<Reply, LookupError> {
        let code = message.metadata.response_code;
        // Some servers say that a name does not exist while they answer for it: what they answer counts.
        if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain | ResponseCode::Unknown(_)) {
            return Err(LookupError::of_code(code));
        }
        if message.metadata.truncation {
            return Ok(Reply::Cut);
        }
        let last = self.last_name(&message);
        let counts = |name: &Name| name == self.query.name() || name == last;
        let last_is_new = last != self.query.name();
        let records: Vec<RData> = message
            .answers
            .iter()
            .filter(|record| record.dns_class == DNSClass::IN && record.record_type() == self.query.query_type())
            .filter(|record| counts(&record.name))
            .map(|record| record.data.clone())
            .collect();
        match records.is_empty() {
            false => Ok(Reply::Records(records)),
            true if last_is_new => Ok(Reply::Alias(last.clone())),
            true => Err(LookupError::of_code(code)),
        }
    }

    /// Where the aliases in an answer lead; they stand in the order in which they are followed (RFC 1034, section 4.3.2).
    fn last_name<'a>(&'a self, message: &'a Message) -> &'a Name {
        if self.query.query_type() == RecordType::CNAME {
            return self.query.name();
        }
        message.answers.iter().fold(self.query.name(), |name, record| match &record.data {
            RData::CNAME(alias) if record.name == *name => alias,
            _ => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_proto::rr::Record;
    use hickory_proto::rr::rdata::{A, CNAME};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn question() -> Question {
        Question::new(name("www.example.org."), RecordType::A).unwrap()
    }

    /// What the question makes of its own bytes once they were changed into an answer.
    fn read(question: &Question, change: impl FnOnce(&mut Message)) -> Option<Result<Reply, LookupError>> {
        let mut message = Message::from_vec(question.bytes()).unwrap();
        message.metadata.message_type = MessageType::Response;
        change(&mut message);
        question.read(&message.to_vec().unwrap())
    }

    fn address(of: &str, last: u8) -> Record {
        Record::from_rdata(name(of), 60, RData::A(A::new(192, 0, 2, last)))
    }

    fn alias(of: &str, to: &str) -> Record {
        Record::from_rdata(name(of), 60, RData::CNAME(CNAME(name(to))))
    }

    fn records(last: &[u8]) -> Option<Result<Reply, LookupError>> {
        Some(Ok(Reply::Records(last.iter().map(|last| RData::A(A::new(192, 0, 2, *last))).collect())))
    }

    #[test]
    fn the_answer_counts_for_the_name_asked_for_and_for_what_it_is_an_alias_of() {
        let found = read(&question(), |message| {
            message.answers = vec![address("WWW.example.org.", 1), address("other.example.org.", 2)];
        });
        assert_eq!(found, records(&[1]), "names have no case, and other names do not count");
        let found = read(&question(), |message| {
            message.answers = vec![
                alias("www.example.org.", "a.example.net."),
                alias("a.example.net.", "b.example.net."),
                address("b.example.net.", 3),
            ];
        });
        assert_eq!(found, records(&[3]));
        let found = read(&question(), |message| message.answers = vec![alias("www.example.org.", "a.example.net.")]);
        assert_eq!(found, Some(Ok(Reply::Alias(name("a.example.net.")))));
    }

    #[test]
    fn what_does_not_answer_this_question_is_not_heard() {
        let question = question();
        let forged = |change: fn(&mut Message)| {
            read(&question, |message| {
                message.answers = vec![address("www.example.org.", 9)];
                change(message);
            })
        };
        assert_eq!(forged(|_| {}), records(&[9]));
        assert_eq!(forged(|message| message.metadata.id = message.metadata.id.wrapping_add(1)), None);
        assert_eq!(forged(|message| message.metadata.message_type = MessageType::Query), None);
        assert_eq!(forged(|message| message.queries.clear()), None);
        assert_eq!(forged(|message| message.queries[0].name = name("evil.example.org.")), None);
        assert_eq!(forged(|message| message.queries[0].query_type = RecordType::AAAA), None);
        assert_eq!(question.read(&[]), None);
        assert_eq!(question.read(&question.bytes()[..2]), Some(Err(LookupError::Malformed)));
    }

    #[test]
    fn a_cut_answer_and_each_code_are_told_apart() {
        let with = |code| read(&question(), |message| message.metadata.response_code = code);
        assert_eq!(with(ResponseCode::NoError), Some(Err(LookupError::NoData)));
        assert_eq!(with(ResponseCode::NXDomain), Some(Err(LookupError::NxDomain)));
        assert_eq!(with(ResponseCode::ServFail), Some(Err(LookupError::ServFail)));
        assert_eq!(with(ResponseCode::Refused), Some(Err(LookupError::Refused)));
        assert_eq!(with(ResponseCode::NotImp), Some(Err(LookupError::Code(4))));
        assert_eq!(read(&question(), |message| message.metadata.truncation = true), Some(Ok(Reply::Cut)));
        let found = read(&question(), |message| {
            message.metadata.response_code = ResponseCode::NXDomain;
            message.answers = vec![address("www.example.org.", 4)];
        });
        assert_eq!(found, records(&[4]), "a record that is there exists");
    }

    #[test]
    fn it_announces_room_for_an_answer_of_1232_bytes_and_wants_recursion() {
        let message = Message::from_vec(question().bytes()).unwrap();
        assert_eq!(message.edns.as_ref().map(Edns::max_payload), Some(1232));
        assert!(message.metadata.recursion_desired);
        assert!(question().id != question().id || question().id != question().id, "numbers are not foretold");
    }
}
