//! Who is told of what the judge decided, and when: the rules that organizations set.
//!
//! A [`policy`] names who is told at once, who is after that when nobody acknowledged, and how it goes on; [`escalation`] says
//! what of it is due. A target may be a [`schedule`], which says who is on call; [`calendar`] shows that to other programs.
//! [`quiet`] says what waits, [`cause`] what outages that are told together have in common.

pub mod calendar;
pub mod cause;
pub mod escalation;
pub mod policy;
pub mod quiet;
pub mod schedule;
