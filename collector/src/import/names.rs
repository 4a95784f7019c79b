//! No monitor takes the name of one that keeps it.

use std::collections::HashMap;

use super::plan::Step;
use crate::store::MonitorKey;
use crate::store::monitors::MonitorRow;

/// Refuses each step whose name belongs to a monitor that is not given another one by this import. Candidates have names of
/// their own, so names can only be passed on: what one refusal takes back, one other step at most was waiting for.
pub(super) fn refuse_taken(steps: &mut [Step], rows: &[MonitorRow]) {
    let holders: HashMap<&str, MonitorKey> = rows.iter().map(|row| (row.settings.name.as_str(), row.key)).collect();
    let names: HashMap<MonitorKey, &str> = rows.iter().map(|row| (row.key, row.settings.name.as_str())).collect();
    let by_row: HashMap<MonitorKey, usize> =
        steps.iter().enumerate().filter_map(|(index, step)| Some((step.row?, index))).collect();
    let by_name: HashMap<String, usize> =
        steps.iter().enumerate().map(|(index, step)| (step.entry.name.clone(), index)).collect();
    let mut open: Vec<usize> = (0..steps.len()).rev().collect();
    while let Some(index) = open.pop() {
        let step = &steps[index];
        let holder = holders.get(step.entry.name.as_str()).copied().filter(|holder| Some(*holder) != step.row);
        let Some(holder) = holder.filter(|_| step.acts()) else { continue };
        if by_row.get(&holder).is_some_and(|other| steps[*other].acts()) {
            continue;
        }
        let why = format!(
            "a monitor is called {:?} already, and it is another one: rename it, here or there",
            step.entry.name
        );
        steps[index].refuse(why);
        let given_back = steps[index].row.and_then(|row| names.get(&row));
        open.extend(given_back.and_then(|name| by_name.get(*name)));
    }
}
