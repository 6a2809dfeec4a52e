//! What the made-up agents work on, and how they talk about it.

/// What connects the agents.
pub(super) const RELAY: &str = "relay-tokyo-1";

pub(super) const PROJECTS: [&str; 3] = ["storefront", "billing", "atlas"];

pub(super) const ROLES: [&str; 6] = ["coder", "reviewer", "tester", "planner", "docs", "ops"];

pub(super) const CAPABILITIES: [&str; 4] = ["read", "edit", "execute", "search"];

pub(super) const PEOPLE: [&str; 5] = ["mika", "jonas", "aiko", "sven", "lucía"];

/// A part of the code, where it is, and what is tested there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) test: &'static str,
}

pub(super) const PARTS: [Part; 12] = [
    part("the login form", "src/auth/login.rs", "tests/login.rs"),
    part("session renewal", "src/auth/session.rs", "tests/session.rs"),
    part(
        "the invoice export",
        "src/export/invoice.rs",
        "tests/export.rs",
    ),
    part(
        "search suggestions",
        "src/search/suggest.rs",
        "tests/suggest.rs",
    ),
    part("the shopping cart", "src/cart/mod.rs", "tests/cart.rs"),
    part("webhook delivery", "src/hooks/deliver.rs", "tests/hooks.rs"),
    part("the rate limiter", "src/edge/limit.rs", "tests/limit.rs"),
    part("image uploads", "src/media/upload.rs", "tests/upload.rs"),
    part(
        "the nightly report",
        "src/report/nightly.rs",
        "tests/report.rs",
    ),
    part("address parsing", "src/geo/address.rs", "tests/address.rs"),
    part("the payment retry", "src/pay/retry.rs", "tests/retry.rs"),
    part("time zone handling", "src/time/zone.rs", "tests/zone.rs"),
];

const fn part(name: &'static str, file: &'static str, test: &'static str) -> Part {
    Part { name, file, test }
}

/// A kind of work: how its title begins, what is said to be wrong or wanted, and the steps of its plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    pub(super) label: &'static str,
    /// `{}` is the part.
    pub(super) titles: &'static [&'static str],
    pub(super) description: &'static str,
    pub(super) steps: &'static [Step],
}

/// What a step of a plan asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Find out.
    Explore(&'static str),
    /// Change files.
    Edit(&'static str),
    /// Run something.
    Check(&'static str),
}

impl Step {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Explore(text) | Self::Edit(text) | Self::Check(text) => text,
        }
    }
}

pub(super) const WORKS: [Work; 5] = [
    Work {
        label: "bug",
        titles: &[
            "Fix a timeout in {}",
            "Fix a crash in {} on empty input",
            "Stop {} from doing its work twice",
            "Make {} survive a restart",
        ],
        description: "Reported by two customers since Monday. It shows under load, and goes away after a restart.",
        steps: &[
            Step::Explore("Reproduce the report with a test"),
            Step::Explore("Find where the time goes"),
            Step::Edit("Fix the cause, not the symptom"),
            Step::Check("Run the whole suite"),
            Step::Edit("Note it in the changelog"),
        ],
    },
    Work {
        label: "feature",
        titles: &[
            "Let people undo their last change in {}",
            "Add CSV to {}",
            "Show progress in {}",
            "Support Japanese (日本語) in {}",
        ],
        description: "Wanted by the support team. Keep the old behaviour as the default, and put the new one behind a setting.",
        steps: &[
            Step::Explore("Read how it works today"),
            Step::Edit("Add the setting"),
            Step::Edit("Write the new behaviour"),
            Step::Edit("Cover both with tests"),
            Step::Check("Run the whole suite"),
            Step::Check("Try it in a browser"),
        ],
    },
    Work {
        label: "refactoring",
        titles: &[
            "Split {} into parts that can be tested",
            "Remove the global state from {}",
        ],
        description: "Nobody dares to touch it. Behaviour must stay as it is, so begin with tests that hold it still.",
        steps: &[
            Step::Explore("List who calls it"),
            Step::Edit("Write tests that hold the behaviour"),
            Step::Edit("Move the pure part into a module of its own"),
            Step::Check("Compare before and after"),
        ],
    },
    Work {
        label: "performance",
        titles: &["Make {} twice as fast", "Halve the memory of {}"],
        description: "The graph of the last week shows the 99th percentile creeping up. Measure before and after; bring figures.",
        steps: &[
            Step::Check("Measure where it stands"),
            Step::Explore("Look at the profile"),
            Step::Edit("Avoid the copy in the loop"),
            Step::Check("Measure again"),
        ],
    },
    Work {
        label: "docs",
        titles: &["Explain {} to newcomers", "Write the runbook for {}"],
        description: "A page that answers what people ask in the channel. Examples that can be copied and run.",
        steps: &[
            Step::Explore("Collect what people ask"),
            Step::Edit("Write the page"),
            Step::Check("Run every example"),
        ],
    },
];

/// What an agent says before it does something.
pub(super) const THOUGHTS: [&str; 12] = [
    "I will start with the smallest change that could show the problem.",
    "The names suggest one thing, the code does another. Reading the callers before I touch it.",
    "There is a test for this already, but it never waits for the result, so it cannot fail.",
    "Two places do nearly the same. I will change the one that is used and leave the other for a task of its own.",
    "Confirmed: the lock is held across the request. With ten clients they wait for each other.",
    "This is simpler than the description makes it sound: the value is read before it is set.",
    "Not what I expected. The cache is never asked, because its key holds the time.",
    "The fix is four lines. The test for it is forty, and found a second case on the way.",
    "Leaving the public interface as it is: three other crates depend on it.",
    "Checked the history of this file: the odd branch is there for a customer who is gone since 2023.",
    "The failing case is an address with an umlaut, as in “Müllerstraße 5”. Bytes were counted as letters.",
    "Done with this step. What is left is small, and independent of the review.",
];

/// What people ask or tell an agent.
pub(super) const MESSAGES: [&str; 7] = [
    "Please keep the old flag working for one more release.",
    "Is this the same problem as the one from last week?",
    "Looks good so far. Can you add a test for the empty case?",
    "I have restarted staging, try again.",
    "Why not the library that we use elsewhere?",
    "The deadline moved to Friday, no need to rush.",
    "ありがとう! That is much clearer now.",
];

/// Why work fails.
pub(super) const ERRORS: [&str; 6] = [
    "the test suite did not finish within 10 minutes",
    "3 tests fail that passed before",
    "merge conflict in Cargo.lock",
    "timeout: no answer from the package mirror",
    "the change needs a migration that nobody has approved",
    "out of disk space on the runner",
];

/// What an agent must ask for: the tool, and why.
pub(super) const PERMISSIONS: [(&str, &str); 6] = [
    ("git push", "Push the branch to origin"),
    ("psql", "Run the migration on the staging database"),
    (
        "curl",
        "Fetch the changelog of a dependency from the network",
    ),
    ("rm", "Delete the build directory, 2.1 GB"),
    ("npm install", "Add a dependency for tests"),
    ("kubectl rollout restart", "Restart the staging deployment"),
];

/// Lines of the log of a test run.
pub(super) const CASES: [&str; 10] = [
    "accepts_what_it_wrote",
    "refuses_an_empty_name",
    "keeps_the_order",
    "survives_a_restart",
    "counts_letters_not_bytes",
    "gives_up_after_the_deadline",
    "is_idempotent",
    "rounds_towards_even",
    "closes_what_it_opened",
    "waits_for_the_lock",
];

pub(super) const STDERR: [&str; 4] = [
    "warning: unused variable: `attempt`\n  --> src/pay/retry.rs:41:9\n   |\n41 |     let attempt = 0;\n   |         ^^^^^^^ help: prefix it with an underscore\n",
    "error[E0502]: cannot borrow `cart` as mutable because it is also borrowed as immutable\n  --> src/cart/mod.rs:118:5\n",
    "npm warn deprecated glob@7.2.3: no longer supported\n",
    "fatal: unable to access the remote: Could not resolve host\n",
];

/// Lines that could stand in any of the files.
const LINES: [&str; 11] = [
    "pub fn next(&mut self, now: Instant) -> Option<Attempt> {",
    "    let attempt = self.attempts.pop_front()?;",
    "    if attempt.deadline < now {",
    "        return self.give_up(attempt, Reason::Deadline);",
    "    }",
    "    let pause = self.pause * 2_u32.pow(attempt.number.min(6));",
    "    self.queue.push(attempt.after(pause));",
    "    Some(attempt)",
    "}",
    "",
    "/// What is left when everything else has been tried.",
];

/// So many lines of code, from some line on.
pub(super) fn source(lines: usize, from: usize) -> String {
    let lines = LINES.iter().cycle().skip(from % LINES.len()).take(lines);
    lines.fold(String::new(), |text, line| text + line + "\n")
}
