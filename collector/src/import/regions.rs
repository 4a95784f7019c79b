//! Where an imported monitor runs.

use picket_shared::ids::Region;

use super::{Choice, ImportError};
use crate::domain::import::{Candidate, Lost};
use crate::store::RegionKey;
use crate::store::monitors::MonitorRow;
use crate::store::regions::RegionRow;

/// The regions that there are, and those that were chosen for monitors whose file does not say.
pub(super) struct Regions {
    all: Vec<RegionRow>,
    chosen: Vec<Region>,
    /// Whether the organization keeps to the EU.
    held: bool,
}

/// Where one monitor runs.
pub(super) struct Placed {
    pub(super) eu_only: bool,
    pub(super) keys: Vec<RegionKey>,
    pub(super) names: Vec<Region>,
    /// Regions that may not run it.
    pub(super) lost: Option<Lost>,
}

impl Regions {
    pub(super) fn new(all: Vec<RegionRow>, choice: &Choice, held: bool) -> Result<Self, ImportError> {
        if all.is_empty() {
            return Err(ImportError::NoRegion);
        }
        if held && choice.not_eu_only {
            return Err(ImportError::KeepsToEu);
        }
        let regions = Self { all, chosen: choice.regions.clone(), held };
        match choice.regions.iter().find(|region| regions.find(region).is_none()) {
            Some(region) => Err(ImportError::UnknownRegion { region: region.clone(), known: regions.known() }),
            None => Ok(regions),
        }
    }

    fn find(&self, code: &Region) -> Option<&RegionRow> {
        self.all.iter().find(|region| region.code == *code)
    }

    fn known(&self) -> String {
        self.all.iter().map(|region| region.code.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// Where the file says, else where was chosen, else where it runs already, else everywhere. Credentials stay in the EU,
    /// as they do with `monitor add`.
    ///
    /// # Errors
    /// Why it can run nowhere.
    pub(super) fn place(
        &self,
        candidate: &Candidate,
        choice: &Choice,
        old: Option<&MonitorRow>,
    ) -> Result<Placed, String> {
        let secret = candidate.auth.is_some() && old.is_none_or(|old| old.settings.sealed_secret.is_none());
        let by_itself = choice.eu_only || old.is_some_and(|old| old.settings.eu_only) || secret;
        let eu_only = self.held || candidate.eu_only.unwrap_or(by_itself && !choice.not_eu_only);
        let everywhere: Vec<Region>;
        let wanted = match (&candidate.regions[..], &self.chosen[..], old) {
            ([], [], Some(old)) => &old.regions,
            ([], [], None) => {
                everywhere = self.all.iter().map(|region| region.code.clone()).collect();
                &everywhere
            }
            ([], chosen, _) => chosen,
            (named, ..) => named,
        };
        let mut rows = Vec::with_capacity(wanted.len());
        for code in wanted {
            let row = self.find(code);
            rows.push(row.ok_or_else(|| format!("there is no region {code}: there are {}", self.known()))?);
        }
        let is_named = !(candidate.regions.is_empty() && self.chosen.is_empty());
        let (inside, outside): (Vec<&RegionRow>, Vec<_>) = rows.into_iter().partition(|region| region.eu || !eu_only);
        if inside.is_empty() {
            let why = if self.held {
                "this organization keeps to the EU, and no region for it lies there"
            } else {
                "it runs in the EU only (it holds credentials, or that was chosen), and no region for it lies there: --not-eu-only changes \
                 that"
            };
            return Err(why.to_owned());
        }
        let outside = outside.iter().map(|region| region.code.to_string()).collect::<Vec<_>>().join(", ");
        let lost = (is_named && !outside.is_empty()).then(|| Lost {
            field: "regions".to_owned(),
            why: if self.held {
                format!("{outside} lies outside the EU, and this organization keeps to it")
            } else {
                format!("{outside} lies outside the EU, and this monitor holds credentials: --not-eu-only changes that")
            },
        });
        Ok(Placed {
            eu_only,
            keys: inside.iter().map(|region| region.key).collect(),
            names: inside.iter().map(|region| region.code.clone()).collect(),
            lost,
        })
    }
}
