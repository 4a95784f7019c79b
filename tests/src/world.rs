//! Everything a story needs, on addresses of its own, so that stories run side by side.
//!
//! [`World::local`] puts all of it on one loopback address of this machine; [`World::of_regions`] gives the
//! collector, the target, the name server and each region a place in a network of their own; [`World::of_lines`] also
//! lays a long line with a witness between each region and the collector.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::ca::{Authority, Certificate};
use crate::collector::{self, Collector, MAIL_PORT};
use crate::disk::Disk;
use crate::ledger::Ledger;
use crate::line::Line;
use crate::machine_clock::MachineClock;
use crate::mailbox::{Mailbox, Receiver};
use crate::net::{Net, Place};
use crate::probe::{self, Probe};
use crate::recorder::Onward;
use crate::resolver::Resolver;
use crate::target::{Ports, Target};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The ports of every target in a world of regions.
pub const PUBLIC_PORTS: Ports = Ports { http: 80, https: 443 };
const LOCAL_PORTS: Ports = Ports { http: 8081, https: 8444 };
const COLLECTOR: Ipv4Addr = Ipv4Addr::new(45, 64, 0, 1);
/// From where recorders pass on what came over a line.
const POST: Ipv4Addr = Ipv4Addr::new(45, 64, 0, 2);
const TARGET: Ipv4Addr = Ipv4Addr::new(45, 64, 0, 10);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(45, 64, 0, 53);

/// The regions of a world of lines, and how long a way to the collector and back takes.
pub const LINES: [(&str, Duration); 3] =
    [("eu", Duration::from_millis(5)), ("us-east", Duration::from_millis(90)), ("ap", Duration::from_millis(220))];

/// A collector with everything around it. Fields end in this order: probes first, the folder last.
pub struct World {
    probes: BTreeMap<String, Probe>,
    /// The collector.
    pub collector: Collector,
    /// Who signs every certificate here.
    pub authority: Authority,
    /// The reference targets of probes that are started from now on.
    pub references: Vec<String>,
    /// What went over the lines, in a world that has some.
    pub ledger: Ledger,
    lines: BTreeMap<String, Line>,
    places: Places,
    _net: Option<Net>,
    disk: Option<Disk>,
    folder: TempDir,
}

struct Places {
    collector: (Place, Ipv4Addr),
    target: (Place, Ipv4Addr),
    resolver: (Place, Ipv4Addr),
    regions: BTreeMap<String, (Place, Ipv4Addr)>,
}

impl World {
    /// A collector on a loopback address that nobody else has; probes may reach that address and no other.
    pub fn local() -> Self {
        Self::new(Self::local_places(&Place::here()), None, folder(), None)
    }

    fn local_places(machine: &Place) -> Places {
        let here = (machine.clone(), loopback());
        Places { collector: here.clone(), target: here.clone(), resolver: here, regions: BTreeMap::new() }
    }

    /// A collector, a target, a name server, and these regions, each in a place of its own with a public address.
    pub fn of_regions(regions: &[&str]) -> Self {
        let (places, net) = Self::places_of(regions);
        Self::new(places, Some(net), folder(), None)
    }

    /// The same with a collector whose configuration says this about listening (it may say nothing), and that then
    /// listens there; it has no certificate.
    pub fn of_regions_with(regions: &[&str], http: &str, listens: SocketAddr) -> Self {
        let (places, net) = Self::places_of(regions);
        Self::new(places, Some(net), folder(), Some((http, listens)))
    }

    fn places_of(regions: &[&str]) -> (Places, Net) {
        let mut net = Net::new();
        let mut seat = |name: &str, address: Ipv4Addr| (net.place(name, address), address);
        let mut places = Places {
            collector: seat("collector", COLLECTOR),
            target: seat("target", TARGET),
            resolver: seat("resolver", RESOLVER),
            regions: BTreeMap::new(),
        };
        for (&region, last) in regions.iter().zip(101..) {
            places.regions.insert(region.to_owned(), seat(region, Ipv4Addr::new(45, 64, 0, last)));
        }
        (places, net)
    }

    /// The same with the regions of [`LINES`], and a line between each of them and the collector.
    pub fn of_lines() -> Self {
        Self::lined(folder(), None)
    }

    /// The same, and the collector's data lies on a disk of its own with so many mebibytes.
    pub fn of_lines_on_a_disk(mebibytes: u32) -> Self {
        let folder = folder();
        let disk = Disk::mount(&folder.path().join("collector").join("data"), mebibytes);
        Self::lined(folder, Some(disk))
    }

    fn lined(folder: TempDir, disk: Option<Disk>) -> Self {
        let (places, mut net) = Self::places_of(&LINES.map(|(region, _)| region));
        let way = |(region, round_trip): (&'static str, Duration)| {
            let (place, own) = &places.regions[region];
            (region, net.line(&format!("{region}-line"), (place, *own), COLLECTOR), round_trip)
        };
        let ways = LINES.map(way);
        let post = net.place("post", POST);
        let mut world = Self { disk, ..Self::new(places, Some(net), folder, None) };
        let witness = world.authority.good(&[&COLLECTOR.to_string()]);
        for (region, place, round_trip) in ways {
            let onward = Onward { place: post.clone(), address: world.collector.address };
            let shown = (&witness, world.authority.file.as_path());
            let line = Line::lay(region, place, onward, round_trip, shown, world.ledger.clone());
            world.lines.insert(region.to_owned(), line);
        }
        world
    }

    /// The same as [`World::of_regions`], or as [`World::local`] without regions, but the collector and each region are
    /// machines with clocks of their own; the collector's is so many seconds ahead from the start. In a local world all is one
    /// machine.
    pub fn with_clocks(regions: &[&str], ahead: i64) -> Self {
        let folder = folder();
        let clocks = folder.path().join("clocks");
        let collector = MachineClock::new(&clocks, "collector");
        collector.set_ahead(ahead);
        let (mut places, net) = if regions.is_empty() {
            (Self::local_places(&Place::here().with_clock(collector.clone())), None)
        } else {
            let (places, net) = Self::places_of(regions);
            (places, Some(net))
        };
        places.collector.0 = places.collector.0.with_clock(collector);
        for (name, (place, _)) in &mut places.regions {
            *place = place.clone().with_clock(MachineClock::new(&clocks, name));
        }
        Self::new(places, net, folder, None)
    }

    fn new(places: Places, net: Option<Net>, folder: TempDir, http: Option<(&str, SocketAddr)>) -> Self {
        let authority = Authority::new(&folder.path().join("certificates"));
        let certificate = (net.is_some() && http.is_none()).then(|| authority.good(&[&places.collector.1.to_string()]));
        let settings = collector::Settings {
            place: &places.collector.0,
            address: places.collector.1,
            folder: &folder.path().join("collector"),
            certificate: certificate.as_ref(),
            authority: &authority.file,
        };
        let collector = Collector::start_with(&settings, http);
        let references = Vec::new();
        let (ledger, lines) = (Ledger::default(), BTreeMap::new());
        let (probes, disk) = (BTreeMap::new(), None);
        Self { probes, collector, authority, references, ledger, lines, places, _net: net, disk, folder }
    }

    /// A folder of this world.
    pub fn folder(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file that a command is given; gives its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The file of the authority's certificate, for a command.
    pub fn authority_file(&self) -> &str {
        self.authority.file.to_str().unwrap()
    }

    /// Starts a probe in a region of this world; it asks the world's name server.
    pub fn probe(&mut self, region: &str) -> &mut Probe {
        let here = self.places.target.clone();
        let (place, _) = self.places.regions.get(region).unwrap_or(&here);
        let allow = if self.places.regions.is_empty() { vec![format!("{}/32", here.1)] } else { Vec::new() };
        let probe = Probe::start(
            &self.collector,
            &probe::Settings {
                place,
                region,
                network: None,
                folder: &self.folder.path().join("probes"),
                authority: &self.authority.file,
                allow: &allow,
                resolvers: &[SocketAddr::from((self.places.resolver.1, 53))],
                references: &self.references,
            },
        );
        self.probes.entry(region.to_owned()).insert_entry(probe).into_mut()
    }

    /// Starts a probe in each region of a world of regions.
    pub fn all_probes(&mut self) {
        let regions: Vec<String> = self.places.regions.keys().cloned().collect();
        for region in regions {
            self.probe(&region);
        }
    }

    /// The probe that runs in a region.
    pub fn probe_in(&mut self, region: &str) -> &mut Probe {
        self.probes.get_mut(region).unwrap()
    }

    /// The collector's place.
    pub fn collector_place(&self) -> &Place {
        &self.places.collector.0
    }

    /// The line between a region and the collector.
    pub fn line(&self, region: &str) -> &Line {
        &self.lines[region]
    }

    /// The disk on which the collector's data lies, in a world that has one.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    /// The place of a region.
    pub fn place_of(&self, region: &str) -> &Place {
        &self.places.regions[region].0
    }

    /// The address of a region.
    pub fn address_of(&self, region: &str) -> Ipv4Addr {
        self.places.regions[region].1
    }

    /// The place of the target.
    pub fn target_place(&self) -> &Place {
        &self.places.target.0
    }

    /// Where the world's name server is, or would be.
    pub fn resolver_seat(&self) -> (&Place, SocketAddr) {
        (&self.places.resolver.0, SocketAddr::from((self.places.resolver.1, 53)))
    }

    /// The address of the collector.
    pub fn collector_address(&self) -> Ipv4Addr {
        self.places.collector.1
    }

    /// The address of the target.
    pub fn target_address(&self) -> Ipv4Addr {
        self.places.target.1
    }

    /// The target's ports.
    pub fn ports(&self) -> Ports {
        if self.places.regions.is_empty() { LOCAL_PORTS } else { PUBLIC_PORTS }
    }

    /// The target's plain URL.
    pub fn url(&self) -> String {
        format!("http://{}:{}/", self.target_address(), self.ports().http)
    }

    /// Starts the target.
    pub fn target(&self, certificate: Option<&Certificate>, redirects: &[(&str, &str)]) -> Target {
        let (place, address) = &self.places.target;
        Target::start(place, *address, self.ports(), &self.folder("target"), certificate, redirects)
    }

    /// Starts the world's name server with these records in `shop.test`.
    pub fn resolver(&self, records: &[String]) -> Resolver {
        let (place, address) = self.resolver_seat();
        Resolver::start(place, address, &self.folder("resolver"), records)
    }

    /// Starts the mail server that the collector is configured for.
    pub fn mailbox(&self) -> Mailbox {
        let (place, address) = &self.places.collector;
        let certificate = self.authority.good(&[&address.to_string()]);
        Mailbox::start(place, SocketAddr::from((*address, MAIL_PORT)), self.folder.path(), &certificate)
    }

    /// Starts a receiver of webhooks that the collector may reach; gives its URL too.
    pub fn receiver(&self) -> (Receiver, String) {
        let (place, address) = &self.places.collector;
        (Receiver::start(place, SocketAddr::from((*address, 80))), format!("http://{address}/hook"))
    }

    /// The folder in which everything lies.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A loopback address that nobody else has.
pub fn loopback() -> Ipv4Addr {
    let number = (std::process::id() * 16 + NEXT.fetch_add(1, Ordering::Relaxed)) % 62_500;
    let [high, low] = [number / 250, number % 250 + 1].map(|part| u8::try_from(part).unwrap());
    Ipv4Addr::new(127, 77, high, low)
}

/// A folder that whoever a program runs as can reach.
pub fn folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("picket-test-").tempdir().unwrap();
    // The collector drops its privileges and must still reach what is in here.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
