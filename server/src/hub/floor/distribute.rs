//! Distribution: events into the groups that they concern, and which groups there are.

use todoki_codec::Event;

use super::{COMPRESSED_GROUPS, Floor, MemberId, SHARD_BYTES, Sink};
use crate::hub::group::{GROUP_BYTES, Group, Key};
use crate::hub::ring;

impl<S: Sink> Floor<S> {
    /// Gives batches to everyone whom they concern. They come in cursor order, without a hole.
    pub fn distribute<'a>(&mut self, batches: impl IntoIterator<Item = &'a [Event]>) {
        let before = self.position;
        let mut found = std::mem::take(&mut self.found);
        for event in batches.into_iter().flatten() {
            debug_assert_eq!(event.cursor, self.position.next(), "batches leave no hole");
            self.position = event.cursor;
            self.routes.find(event, &self.groups, &mut found);
            for group in &found {
                self.add(*group, event);
            }
        }
        self.found = found;
        for group in std::mem::take(&mut self.touched) {
            self.start_wave(group, before);
            self.retire(group);
        }
        self.keep_shard_bound();
        for id in std::mem::take(&mut self.waiting) {
            if let Some(member) = self.members.get(id.0) {
                member.sink.nudge();
            }
        }
    }

    fn add(&mut self, group_id: usize, event: &Event) {
        let group = &mut self.groups[group_id];
        let filter = &group.key.filter;
        if !filter.matches_ids(&event.ids)
            || !filter.matches_scopes(event.kind.as_str(), &event.ids)
        {
            return;
        }
        let is_first = !std::mem::replace(&mut group.is_touched, true);
        if is_first {
            self.touched.push(group_id);
            self.settle();
        }
        let group = &mut self.groups[group_id];
        if is_first {
            group.strand.begin();
        }
        let before = group.strand.bytes();
        group.add(event);
        self.segment_bytes += group.strand.bytes() - before;
    }

    pub(super) fn group(&mut self, mut key: Key) -> usize {
        let compressed = |(_, group): &(usize, &Group)| group.key.is_compressed;
        if key.is_compressed && !self.by_key.contains_key(&key) {
            key.is_compressed = self.groups.iter().filter(compressed).count() < COMPRESSED_GROUPS;
        }
        if let Some(group) = self.by_key.get(&key) {
            return *group;
        }
        let group = self.groups.insert(Group::new(key.clone(), self.position));
        self.routes.insert(group, &key.filter);
        self.by_key.insert(key, group);
        group
    }

    pub(super) fn leave_group(&mut self, id: MemberId) {
        self.settle();
        let group = self.members[id.0].group;
        let members = &mut self.groups[group].members;
        if let Some(place) = members.iter().position(|member| *member == id.0) {
            members.swap_remove(place);
        }
        if members.is_empty() {
            self.meter.settle();
            let gone = self.groups.remove(group);
            self.segment_bytes -= gone.strand.bytes();
            self.by_key.remove(&gone.key);
            self.touched.retain(|touched| *touched != group);
            self.routes.remove(group, &gone.key.filter);
        }
    }

    fn keep_shard_bound(&mut self) {
        while self.segment_bytes > SHARD_BYTES {
            let sizes = self
                .groups
                .iter()
                .map(|(id, group)| (group.strand.bytes(), id));
            let Some((_, largest)) = sizes.max() else {
                return;
            };
            self.retire_oldest(largest);
        }
    }

    fn retire(&mut self, group: usize) {
        loop {
            let strand = &self.groups[group].strand;
            let is_over = strand.bytes() > GROUP_BYTES || strand.len() > ring::SLOTS - 1;
            if !is_over || strand.len() < 2 {
                return;
            }
            self.retire_oldest(group);
        }
    }

    /// Gives up a group's oldest segment, once those who still need it are out of it.
    fn retire_oldest(&mut self, group: usize) {
        let oldest = self.groups[group].strand.oldest();
        if self.waves.iter().any(|wave| wave.needs(group, oldest)) {
            self.settle();
        }
        for place in 0..self.groups[group].members.len() {
            let id = MemberId(self.groups[group].members[place]);
            if self.is_live(id) && self.members[id.0].needs(oldest) {
                self.lose(id, self.position);
            }
        }
        let strand = &mut self.groups[group].strand;
        let before = strand.bytes();
        strand.retire_oldest();
        self.segment_bytes -= before - strand.bytes();
    }
}
