//! An agent: registered once, then one task after the other, with a pause now and then.

use fastrand::Rng;
use simd_json::json;
use uuid::Uuid;

use super::script::Script;
use super::task::Task;
use super::words;

#[derive(Debug)]
pub(super) struct Agent {
    id: Uuid,
    name: String,
    role: &'static str,
    projects: [Uuid; words::PROJECTS.len()],
    state: State,
    /// Done, and not yet put away.
    finished: Option<(Uuid, Uuid)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Stopped,
    Started,
}

impl Agent {
    pub(super) fn new(
        number: usize,
        projects: [Uuid; words::PROJECTS.len()],
        rng: &mut Rng,
    ) -> Self {
        let role = words::ROLES[number % words::ROLES.len()];
        Self {
            id: super::id(rng),
            name: format!("{role}-{}", number / words::ROLES.len() + 1),
            role,
            projects,
            state: State::Unknown,
            finished: None,
        }
    }

    /// What it does next, to an end at which it is free again.
    pub(super) fn work(&mut self, script: &mut Script<'_>) {
        script.ids.agent = Some(self.id);
        match self.state {
            State::Unknown => {
                script.wait(0..20);
                let (name, role) = (self.name.as_str(), self.role);
                script.say(
                    "agent.registered",
                    json!({"name": name, "role": role, "capabilities": words::CAPABILITIES}),
                );
                self.start(script);
            }
            State::Stopped => {
                script.wait(600..3_600);
                self.start(script);
            }
            State::Started if self.finished.is_some() && script.chance(60) => self.put_away(script),
            State::Started if script.chance(6) => {
                let reason =
                    script.pick(&["no work left", "restart for an update", "quota reached"]);
                script.say(
                    "agent.stopped",
                    json!({"name": self.name.as_str(), "reason": reason}),
                );
                self.state = State::Stopped;
            }
            State::Started => self.take_a_task(script),
        }
    }

    fn start(&mut self, script: &mut Script<'_>) {
        script.wait(1..5);
        let data = json!({"name": self.name.as_str(), "relay": words::RELAY});
        script.say("agent.started", data);
        self.state = State::Started;
    }

    fn take_a_task(&mut self, script: &mut Script<'_>) {
        let place = script.count(0..self.projects.len());
        script.ids.project = Some(self.projects[place]);
        let task = Task::new(words::PROJECTS[place], self.name.clone(), script);
        script.ids.task = Some(task.id);
        if task.run(script) {
            self.finished = Some((task.id, self.projects[place]));
        }
        script.wait(20..240);
    }

    /// A task that is done leaves the board.
    fn put_away(&mut self, script: &mut Script<'_>) {
        let finished = self.finished.take();
        script.ids.task = finished.map(|(task, _)| task);
        script.ids.project = finished.map(|(_, project)| project);
        script.say_from_outside("task.archived", json!({"by": "human"}));
        script.wait(1..30);
    }
}
