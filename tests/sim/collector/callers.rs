//! Who calls, and with which keys.

use picket_collector::flow::ingest::plan;
use picket_collector::flow::verify::signature::{
    check_batch, check_request, grant_in_force, is_newest, is_said_later, may_call, speaks_in_force, token_error,
    used_before,
};
use picket_collector::flow::verify::{Caller, Refused, RequestFacts};
use picket_shared::daykeys::{DAY_KEY_LIFE, DayKeyGrant, KeyId, hex, wanting};
use picket_shared::signing::{self, BatchClaims, RequestClaims};
use picket_shared::time::Timestamp;
use picket_shared::wire::{HELLO_PATH, RefusalCode};

use super::super::plan::Step;
use super::super::tables::Reported;
use super::super::wire::{Call, Said, Token};
use super::{COLLECTOR, Collector, Handled};

impl Collector {
    pub(super) fn batch_caller(&self, call: &Call, now: Timestamp) -> Result<(Caller, BatchClaims), Refused> {
        let secret = |_: &_| Ok(self.tables.probes[call.probe].secret.clone());
        let (row, claims) = match &call.token {
            Token::Wire(token) => {
                let kid = signing::key_id::<BatchClaims>(token).map_err(token_error)?;
                let row = may_call(Some(self.tables.caller(call.probe, kid.day)))?;
                let claims = check_batch(&row, kid, secret, (token, COLLECTOR), now)?;
                (row, claims)
            }
            Token::Batch(kid, claims) => {
                let row = may_call(Some(self.tables.caller(call.probe, kid.day)))?;
                grant_in_force(&row, *kid, now)?;
                signing::judge(&**claims, *kid, COLLECTOR, now).map_err(token_error)?;
                (row, (**claims).clone())
            }
            Token::Other(_) | Token::None => return Err(Refused::rule(RefusalCode::BadToken, "")),
        };
        is_newest(&row, claims.boot, self.tables.probes[call.probe].boots.contains(&claims.boot))?;
        speaks_in_force(&row, claims.boot)?;
        Ok((Caller { boot: claims.boot, row }, claims))
    }

    pub(super) fn request(
        &mut self,
        call: &Call,
        (method, path): (&str, &str),
        is_hello: bool,
        now: Timestamp,
    ) -> Result<RequestClaims, Refused> {
        let row = may_call(Some(self.tables.caller(call.probe, None)))?;
        let kid = KeyId { probe: row.id, day: None };
        let probe = &mut self.tables.probes[call.probe];
        let claims = match &call.token {
            Token::Wire(token) => {
                let facts = RequestFacts { method, path, body: b"", is_hello };
                check_request(&row, kid, |_| Ok(probe.secret.clone()), (token, COLLECTOR), facts, now)?
            }
            Token::Other(claims) => {
                signing::judge(&**claims, kid, COLLECTOR, now).map_err(token_error)?;
                (**claims).clone()
            }
            Token::Batch(..) | Token::None => return Err(Refused::rule(RefusalCode::BadToken, "")),
        };
        if !probe.used.insert(claims.jti) {
            return Err(used_before());
        }
        is_newest(&row, claims.boot, probe.boots.contains(&claims.boot))?;
        if is_hello {
            is_said_later(&row, &claims, now)?;
        } else {
            speaks_in_force(&row, claims.boot)?;
        }
        if let Some(status) = &mut probe.status {
            status.seen_at = status.seen_at.max(now);
        }
        Ok(claims)
    }

    pub(super) fn hello(&mut self, call: &Call, now: Timestamp) -> Result<Handled, Refused> {
        let claims = self.request(call, ("POST", HELLO_PATH), true, now)?;
        if let Some(standing) = self.tables.standing(call.probe).filter(|standing| standing.boot != claims.boot) {
            let silences = self.tables.silences_of(call.probe, standing.through.min(now));
            self.write_silences(call.probe, &plan::lost_with_boot(&silences, standing.through, now));
        }
        let probe = &mut self.tables.probes[call.probe];
        probe.boots.insert(claims.boot);
        let same = probe.status.take().filter(|status| status.boot == claims.boot);
        let (through, seq) = same.as_ref().map_or((now, 0), |status| (status.through, status.seq));
        let batch_at = same.as_ref().and_then(|status| status.batch_at);
        probe.status = Some(Reported {
            boot: claims.boot,
            hello_at: same.as_ref().map_or(now, |status| status.hello_at),
            seen_at: now,
            batch_at,
            through,
            seq,
            is_blind: same.is_some_and(|status| status.is_blind),
        });
        let keys = self.grants(call.probe, now);
        if self.armed == Some(Step::Hello) {
            return Ok(Handled::Ended);
        }
        Ok(Handled::Answer(Said::Keys(keys)))
    }

    /// The grants in force, after those that are wanting were made.
    pub(super) fn grants(&mut self, probe: usize, now: Timestamp) -> Vec<DayKeyGrant> {
        let grants = &mut self.tables.probes[probe].grants;
        let in_force = |grants: &[DayKeyGrant]| {
            let mut grants: Vec<_> = grants.iter().filter(|grant| grant.not_after > now).cloned().collect();
            grants.sort_by_key(|grant| std::cmp::Reverse(grant.number));
            grants
        };
        for _ in 0..3 {
            let Some(from) = wanting(&in_force(grants), now) else { break };
            let number = grants.iter().map(|grant| grant.number).max().unwrap_or(0) + 1;
            let nonce = hex(&[u8::try_from(number % 256).unwrap(); 32]);
            grants.push(DayKeyGrant { number, nonce, not_before: from, not_after: from + DAY_KEY_LIFE });
        }
        in_force(grants)
    }
}
