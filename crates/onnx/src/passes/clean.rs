//! Removes what is there twice, and what nobody uses.

use std::collections::{BTreeMap, BTreeSet};

use shelfedge_engine::program::{Data, ForestId, Op, TensorId, ValueId};

use crate::draft::{Draft, visit, visit_mut, visit_tensors};

pub(super) fn clean(draft: &mut Draft) {
    merge_tensors(draft);
    merge_steps(draft);
    remove_dead_steps(draft);
    renumber(draft);
}

/// A tensor that equals an earlier one is replaced by it.
fn merge_tensors(draft: &mut Draft) {
    let mut seen: BTreeMap<(u32, u32, u64), Vec<TensorId>> = BTreeMap::new();
    let mut same: BTreeMap<TensorId, TensorId> = BTreeMap::new();
    for (i, tensor) in draft.program.tensors.iter().enumerate() {
        let id = TensorId(i as u32);
        let Data::F32(data) = &tensor.data else {
            continue;
        };
        // FNV-1a: only to find candidates, which are compared in full.
        let hash = data.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, v| {
            (h ^ u64::from(v.to_bits())).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let candidates = seen.entry((tensor.rows, tensor.cols, hash)).or_default();
        let equal = candidates.iter().find(|c| {
            let other = draft.floats(**c);
            draft.exact.contains(c) == draft.exact.contains(&id)
                && other
                    .iter()
                    .zip(data)
                    .all(|(a, b)| a.to_bits() == b.to_bits())
        });
        match equal {
            Some(first) => {
                same.insert(id, *first);
            }
            None => candidates.push(id),
        }
    }
    for (from, to) in &same {
        if !draft.names.contains_key(to)
            && let Some(name) = draft.names.get(from).cloned()
        {
            draft.names.insert(*to, name);
        }
    }
    for step in &mut draft.program.steps {
        visit_tensors(&mut step.op, |t| {
            if let Some(first) = same.get(t) {
                *t = *first;
            }
        });
    }
}

/// A step that computes what an earlier one has computed is replaced by it.
fn merge_steps(draft: &mut Draft) {
    let mut first: BTreeMap<String, ValueId> = BTreeMap::new();
    let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for step in &mut draft.program.steps {
        visit_mut(&mut step.op, |v| {
            if let Some(earlier) = same.get(v) {
                *v = *earlier;
            }
        });
        // The debug form names the operation and everything in it.
        match first.entry(format!("{:?}", step.op)) {
            std::collections::btree_map::Entry::Occupied(earlier) => {
                same.insert(step.result, *earlier.get());
            }
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(step.result);
            }
        }
    }
    for output in &mut draft.program.outputs {
        if let Some(earlier) = same.get(&output.value) {
            output.value = *earlier;
        }
    }
}

fn remove_dead_steps(draft: &mut Draft) {
    let mut live: BTreeSet<ValueId> = draft.program.outputs.iter().map(|o| o.value).collect();
    for step in draft.program.steps.iter().rev() {
        if live.contains(&step.result) {
            visit(&step.op, |v| {
                live.insert(v);
            });
        }
    }
    draft.program.steps.retain(|s| live.contains(&s.result));
}

/// Closes the gaps in the numbers of values, tensors and ensembles.
fn renumber(draft: &mut Draft) {
    let mut values: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    let mut kept = Vec::new();
    let old = std::mem::take(&mut draft.program.values);
    let defined = draft
        .program
        .inputs
        .iter()
        .map(|i| i.value)
        .chain(draft.program.steps.iter().map(|s| s.result));
    for value in defined {
        values.insert(value, ValueId(kept.len() as u32));
        kept.push(old[value.0 as usize]);
    }
    draft.program.values = kept;
    let new = |v: &mut ValueId| *v = values[v];
    draft
        .program
        .inputs
        .iter_mut()
        .for_each(|i| new(&mut i.value));
    draft
        .program
        .outputs
        .iter_mut()
        .for_each(|o| new(&mut o.value));

    let mut tensors: BTreeMap<TensorId, TensorId> = BTreeMap::new();
    let mut forests: BTreeMap<ForestId, ForestId> = BTreeMap::new();
    for step in &mut draft.program.steps {
        new(&mut step.result);
        visit_mut(&mut step.op, new);
        visit_tensors(&mut step.op, |t| {
            let next = TensorId(tensors.len() as u32);
            *t = *tensors.entry(*t).or_insert(next);
        });
        if let Op::Trees { forest, .. } = &mut step.op {
            let next = ForestId(forests.len() as u32);
            *forest = *forests.entry(*forest).or_insert(next);
        }
    }
    fn pick<K: Ord + Copy, T>(
        all: Vec<T>,
        places: &BTreeMap<K, K>,
        index: impl Fn(K) -> usize,
    ) -> Vec<T> {
        let mut slots: Vec<Option<T>> = all.into_iter().map(Some).collect();
        let mut picked: Vec<(K, T)> = places
            .iter()
            .filter_map(|(from, to)| slots[index(*from)].take().map(|t| (*to, t)))
            .collect();
        picked.sort_by_key(|(to, _)| *to);
        picked.into_iter().map(|(_, t)| t).collect()
    }
    draft.program.tensors = pick(std::mem::take(&mut draft.program.tensors), &tensors, |t| {
        t.0 as usize
    });
    draft.program.forests = pick(std::mem::take(&mut draft.program.forests), &forests, |f| {
        f.0 as usize
    });
    let names = std::mem::take(&mut draft.names);
    draft.names = names
        .into_iter()
        .filter_map(|(t, name)| tensors.get(&t).map(|t| (*t, name)))
        .collect();
    let exact = std::mem::take(&mut draft.exact);
    draft.exact = exact
        .into_iter()
        .filter_map(|t| tensors.get(&t).copied())
        .collect();
}
