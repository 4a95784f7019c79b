//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::cmd::admin::AdminCommand;
use crate::cmd::alarm::AlarmCommand;
use crate::cmd::audit::AuditCommand;
use crate::cmd::backup::BackupCommand;
use crate::cmd::channel::ChannelCommand;
use crate::cmd::config::ConfigCommand;
use crate::cmd::database::DatabaseCommand;
use crate::cmd::doctor::DoctorArgs;
use crate::cmd::drill::DrillArgs;
use crate::cmd::keys::KeysCommand;
use crate::cmd::mail::MailCommand;
use crate::cmd::maintenance::MaintenanceCommand;
use crate::cmd::monitor::MonitorCommand;
use crate::cmd::organization::OrganizationCommand;
use crate::cmd::policy::PolicyCommand;
use crate::cmd::posture::PostureArgs;
use crate::cmd::privacy::PrivacyCommand;
use crate::cmd::probe::ProbeCommand;
use crate::cmd::region::RegionCommand;
use crate::cmd::restore::RestoreArgs;
use crate::cmd::schedule::ScheduleCommand;
use crate::cmd::serve::ServeArgs;
use crate::cmd::up::UpArgs;
use crate::cmd::user::UserCommand;
use crate::cmd::wal_fetch::WalFetchArgs;
use crate::cmd::wal_push::WalPushArgs;

/// Picket's collector: takes what probes found, decides what is an outage, tells people, keeps the data.
#[derive(Debug, Parser)]
#[command(name = "picket-collector", version, arg_required_else_help = true)]
pub struct Cli {
    /// The file of settings; ./config.toml or /etc/picket/config.toml unless given.
    #[arg(long, global = true, env = "PICKET_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the collector.
    Serve(ServeArgs),
    /// Run everything on this machine: PostgreSQL, collector and a local probe, and show the outcomes.
    Up(UpArgs),
    /// Run the database migrations that are missing.
    Migrate,
    /// Show or check the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Manage monitors.
    #[command(subcommand)]
    Monitor(MonitorCommand),
    /// Manage channels.
    #[command(subcommand)]
    Channel(ChannelCommand),
    /// Show what makes mails trusted.
    #[command(subcommand)]
    Mail(MailCommand),
    /// Manage probes.
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// Try whether and how soon people are reached.
    #[command(subcommand)]
    Alarm(AlarmCommand),
    /// Plan maintenance, begin it now, end it.
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    /// Show who is told when.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show who is on call.
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Show regions.
    #[command(subcommand)]
    Region(RegionCommand),
    /// Read the audit log, and verify it.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Say whether promises are kept, by what was seen just now.
    Posture(PostureArgs),
    /// Make, show and limit organizations.
    #[command(subcommand)]
    Organization(OrganizationCommand),
    /// Look after backups.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Restore the database as it was at any second, into an empty folder.
    Restore(RestoreArgs),
    /// Look after the database that the collector runs itself.
    #[command(subcommand)]
    Database(DatabaseCommand),
    /// Look after the recovery kit.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Try a restore to a random second beside the collector that runs, and measure it.
    Drill(DrillArgs),
    /// Help people who cannot sign in.
    #[command(subcommand)]
    User(UserCommand),
    /// Erase what was closed seven days ago.
    #[command(subcommand)]
    Privacy(PrivacyCommand),
    /// Say who may administer the instance in a browser, for how long.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Say what is wrong and what to do.
    Doctor(DoctorArgs),
    /// What PostgreSQL runs to archive a file of its WAL.
    #[command(hide = true)]
    WalPush(WalPushArgs),
    /// What PostgreSQL runs to have a file of its WAL while it is restored.
    #[command(hide = true)]
    WalFetch(WalFetchArgs),
}
