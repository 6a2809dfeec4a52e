//! A task from its creation to its end: planned, worked on in one session or more, reviewed, merged, or given up.

use std::time::Duration;

use simd_json::{OwnedValue, json};
use uuid::Uuid;

use super::script::Script;
use super::tools;
use super::words::{self, Part, Step, Work};

/// After so many sessions that failed, a task is given up.
const ATTEMPTS: u64 = 3;

/// Of a hundred sessions, so many fail at one of their steps.
const FAILING: u64 = 16;

#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: Uuid,
    part: Part,
    work: Work,
    title: String,
    project: &'static str,
    /// Of its pull request.
    number: u64,
    agent_name: String,
    created: Duration,
}

impl Task {
    pub(super) fn new(project: &'static str, agent_name: String, script: &mut Script<'_>) -> Self {
        let part = script.pick(&words::PARTS);
        let work = script.pick(&words::WORKS);
        Self {
            id: script.id(),
            part,
            work,
            title: script.pick(work.titles).replace("{}", part.name),
            project,
            number: script.number(100..9_000),
            agent_name,
            created: script.clock(),
        }
    }

    /// All of it; whether it was completed.
    pub(super) fn run(&self, script: &mut Script<'_>) -> bool {
        self.create(script);
        let mut status = "todo";
        for attempt in 1..=ATTEMPTS {
            if self.attempt(attempt, status, script) {
                return true;
            }
            status = "failed";
            if script.chance(20) {
                break;
            }
            script.wait(30..300);
        }
        false
    }

    fn create(&self, script: &mut Script<'_>) {
        let priority = script.pick(&["low", "medium", "medium", "high", "urgent"]);
        let by = script.pick(&words::PEOPLE);
        script.say_from_outside(
            "task.created",
            json!({
                "title": self.title.as_str(),
                "description": self.work.description,
                "priority": priority,
                "labels": [self.work.label, self.project],
                "by": by
            }),
        );
        script.wait(3..60);
        script.say(
            "task.assigned",
            json!({"to": self.agent_name.as_str(), "by": by}),
        );
        script.wait(1..10);
    }

    /// One session; whether it came to a good end.
    fn attempt(&self, attempt: u64, status: &str, script: &mut Script<'_>) -> bool {
        let began = script.clock();
        script.ids.session = Some(script.id());
        script.say(
            "agent.session_started",
            json!({"attempt": attempt, "branch": self.branch(), "relay": words::RELAY}),
        );
        script.wait(0..2);
        script.say(
            "task.status_changed",
            json!({"from": status, "to": "in_progress"}),
        );
        if attempt == 1 {
            self.understand(script);
        }
        let fails_at = script
            .chance(FAILING)
            .then(|| script.count(0..self.work.steps.len()));
        for (place, step) in self.work.steps.iter().enumerate() {
            self.plan(place, script);
            self.step(*step, script);
            if fails_at == Some(place) {
                fail(attempt, script);
                exit(began, 1, "failed", script);
                return false;
            }
        }
        self.plan(self.work.steps.len(), script);
        self.publish(script);
        self.complete(script);
        exit(began, 0, "done", script);
        true
    }

    fn branch(&self) -> String {
        format!("{}/{}", self.work.label, self.number)
    }

    fn understand(&self, script: &mut Script<'_>) {
        script.wait(5..30);
        script.say(
            "agent.requirement_analyzed",
            json!({
                "summary": format!("{}: {} steps, mostly in {}", self.title, self.work.steps.len(), self.part.file),
                "acceptance": ["the suite passes", "the changelog says what users notice"]
            }),
        );
        if script.chance(30) {
            script.wait(3..20);
            let sources = json!(["README.md", "docs/decisions", self.part.file]);
            script.say("agent.business_context_ready", json!({"sources": sources}));
        }
    }

    /// The plan, with everything before `current` done.
    fn plan(&self, current: usize, script: &mut Script<'_>) {
        let entries: Vec<OwnedValue> = self
            .work
            .steps
            .iter()
            .enumerate()
            .map(|(place, step)| {
                let status = match place.cmp(&current) {
                    std::cmp::Ordering::Less => "completed",
                    std::cmp::Ordering::Equal => "in_progress",
                    std::cmp::Ordering::Greater => "pending",
                };
                let priority = if place == 0 { "high" } else { "medium" };
                json!({"content": step.text(), "status": status, "priority": priority})
            })
            .collect();
        script.output("plan", vec![json!({"type": "plan", "entries": entries})]);
        script.wait(1..8);
    }

    fn step(&self, step: Step, script: &mut Script<'_>) {
        think(script);
        let calls = script.number(1..4);
        for _ in 0..calls {
            match step {
                Step::Explore(_) if script.chance(40) => tools::search(self.part, script),
                Step::Explore(_) => tools::read(self.part, script),
                Step::Edit(_) if script.chance(25) => tools::read(self.part, script),
                Step::Edit(_) => tools::edit(self.part, script),
                Step::Check(_) => tools::execute(self.part, script),
            }
        }
        if !matches!(step, Step::Explore(_)) && script.chance(14) {
            ask_permission(script);
        }
        if script.chance(8) {
            talk(script);
        }
        if script.chance(10) {
            let text = script.pick(&words::STDERR);
            script.text("stderr", text);
        }
    }

    /// The work leaves the agent: an artifact, and most times a pull request that is reviewed and merged.
    fn publish(&self, script: &mut Script<'_>) {
        let bytes = script.number(400..90_000);
        let name = format!("{}.patch", self.number);
        script.say(
            "artifact.created",
            json!({"name": name, "type": "patch", "bytes": bytes}),
        );
        script.wait(2..15);
        if self.work.label != "docs" || script.chance(50) {
            let url = format!("https://git.example/{}/pull/{}", self.project, self.number);
            let pull =
                json!({"url": url.as_str(), "title": self.title.as_str(), "number": self.number});
            script.say("artifact.github_pr_opened", pull);
            script.wait(2..10);
            let reviewer = script.pick(&words::PEOPLE);
            script.say(
                "task.status_changed",
                json!({"from": "in_progress", "to": "in_review"}),
            );
            script.say(
                "agent.code_review_requested",
                json!({"url": url.as_str(), "reviewer": reviewer}),
            );
            script.wait(20..400);
            if script.chance(30) {
                talk(script);
            }
            script.say_from_outside(
                "artifact.github_pr_merged",
                json!({"url": url, "number": self.number, "by": reviewer}),
            );
            script.wait(1..5);
            script.say(
                "task.status_changed",
                json!({"from": "in_review", "to": "done"}),
            );
        } else {
            script.say(
                "task.status_changed",
                json!({"from": "in_progress", "to": "done"}),
            );
        }
    }

    fn complete(&self, script: &mut Script<'_>) {
        let text = format!(
            "{} is done: {} steps, all tests pass.",
            self.title,
            self.work.steps.len()
        );
        script.text("assistant", &text);
        let duration = script.millis_since(self.created);
        let files = script.number(1..9);
        script.say(
            "task.completed",
            json!({"summary": text, "files_changed": files, "duration_ms": duration}),
        );
    }
}

fn fail(attempt: u64, script: &mut Script<'_>) {
    let error = script.pick(&words::ERRORS);
    let text = script.pick(&words::STDERR);
    script.text("stderr", text);
    script.wait(1..5);
    script.say(
        "agent.error",
        json!({"message": error, "is_retryable": attempt < ATTEMPTS}),
    );
    script.say(
        "task.status_changed",
        json!({"from": "in_progress", "to": "failed"}),
    );
    script.say("task.failed", json!({"error": error, "attempt": attempt}));
}

fn exit(began: Duration, code: u64, reason: &str, script: &mut Script<'_>) {
    script.wait(0..3);
    let duration = script.millis_since(began);
    script.say(
        "agent.session_exited",
        json!({"exit_code": code, "reason": reason, "duration_ms": duration}),
    );
    script.ids.session = None;
}

/// A few sentences, as they come: some in one batch, some in several.
fn think(script: &mut Script<'_>) {
    let batches = script.number(1..3);
    for _ in 0..batches {
        let sentences = script.number(1..5);
        let items = (0..sentences)
            .map(|_| json!({"type": "text", "text": script.pick(&words::THOUGHTS)}))
            .collect();
        script.output("assistant", items);
        script.wait(1..12);
    }
}

/// An agent asks, and a human answers, or nobody does.
fn ask_permission(script: &mut Script<'_>) {
    let (tool, description) = script.pick(&words::PERMISSIONS);
    let request = script.id().to_string();
    let request = request.as_str();
    script.say(
        "permission.requested",
        json!({
            "request_id": request,
            "tool": tool,
            "description": description,
            "options": [
                {"id": "allow_once", "label": "Allow once"},
                {"id": "allow_always", "label": "Allow always"},
                {"id": "deny", "label": "Deny"}
            ]
        }),
    );
    // People take their time, and whoever looks at the page gets a chance to be one of them.
    script.wait(15..600);
    let (option, kind) = match script.number(0..100) {
        0..60 => ("allow_once", "permission.approved"),
        60..76 => ("allow_always", "permission.approved"),
        76..88 => ("deny", "permission.denied"),
        88..95 => return script.say("permission.expired", json!({"request_id": request})),
        _ => {
            return script.say(
                "permission.cancelled",
                json!({"request_id": request, "reason": "no longer needed"}),
            );
        }
    };
    let answer = json!({"request_id": request, "option_id": option, "by": "human"});
    script.say_from_outside("permission.responded", answer);
    script.say(kind, json!({"request_id": request, "tool": tool}));
    script.wait(1..5);
    if option == "allow_always" && script.chance(30) {
        script.say_from_outside(
            "permission.revoked",
            json!({"request_id": request, "by": "human"}),
        );
    }
}

/// A human says something, and the agent answers.
fn talk(script: &mut Script<'_>) {
    let (text, by) = (script.pick(&words::MESSAGES), script.pick(&words::PEOPLE));
    script.say_from_outside("human.message", json!({"text": text, "by": by}));
    script.wait(2..20);
    let answer = format!("Thank you, {by}. Noted, and I will come back to it before I am done.");
    script.text("assistant", &answer);
}
