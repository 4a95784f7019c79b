//! What people may ask about data on them, and what papers say of it.
//!
//! [`export`] gives somebody everything about them, and an owner everything of the organization, from the classes of columns alone,
//! at once or, where it is large, made by a task ([`export_job`]);
//! [`erase`] erases by them what was closed, and [`ledger`] keeps outside the database what that was.
//! [`people`] finds, gives and erases what is stored about somebody without an account.
//! [`documents`] are papers, pure texts made from the same classes; [`office`] issues them and tells of them: [`agreements`] with
//! organizations, other sub-processors, and [`breaches`].

pub mod agreements;
pub mod breaches;
pub mod documents;
pub mod erase;
pub mod export;
pub mod export_job;
pub mod ledger;
pub mod mail;
pub mod office;
pub mod people;
mod zip;
