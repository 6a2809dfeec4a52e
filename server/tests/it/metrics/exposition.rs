//! A strict reader of the text exposition format, version 0.0.4: whatever the format does not allow, or leaves open and
//! we do not do, fails the test.

use std::collections::HashMap;

/// What one scrape was answered.
pub(super) struct Exposition {
    families: Vec<Family>,
    /// By the whole series, as it is written.
    values: HashMap<String, f64>,
}

struct Family {
    name: String,
    kind: String,
    samples: Vec<Sample>,
}

struct Sample {
    name: String,
    /// As they are written, without braces.
    labels: String,
    value: f64,
}

impl Exposition {
    pub(super) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line ends, too");
        let mut lines = text.lines().peekable();
        let mut families = Vec::<Family>::new();
        while let Some(line) = lines.next() {
            let (name, help) = line
                .strip_prefix("# HELP ")
                .and_then(|rest| rest.split_once(' '))
                .unwrap_or_else(|| panic!("a family begins with its help: {line:?}"));
            assert!(!help.is_empty() && !help.contains('\\'), "{line:?}");
            let kind = lines.next().unwrap_or_default();
            let kind = kind
                .strip_prefix(&format!("# TYPE {name} "))
                .unwrap_or_else(|| panic!("the type of {name} follows its help: {kind:?}"));
            let mut family = Family {
                name: name.to_owned(),
                kind: kind.to_owned(),
                samples: Vec::new(),
            };
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                family.samples.push(Sample::parse(line));
            }
            family.check();
            assert!(
                families.iter().all(|other| other.name != family.name),
                "{name} twice"
            );
            families.push(family);
        }
        let mut values = HashMap::new();
        for sample in families.iter().flat_map(|family| &family.samples) {
            let series = sample.series();
            let before = values.insert(series.clone(), sample.value);
            assert_eq!(before, None, "{series} twice");
        }
        Self { families, values }
    }

    /// The value of a series, which must be there.
    pub(super) fn value(&self, series: &str) -> f64 {
        let value = self.values.get(series);
        *value.unwrap_or_else(|| panic!("no {series}"))
    }

    /// How many series there are.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn kind(&self, name: &str) -> Option<&str> {
        let family = self.families.iter().find(|family| family.name == name);
        family.map(|family| family.kind.as_str())
    }

    /// The labels and values of a family's series.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = (&str, f64)> {
        let family = self.families.iter().find(|family| family.name == name);
        let family = family.unwrap_or_else(|| panic!("no {name}"));
        let samples = family.samples.iter();
        samples.map(|sample| (sample.labels.as_str(), sample.value))
    }

    /// The same series as in an earlier scrape, and nothing that only grows has shrunk.
    pub(super) fn follows(&self, before: &Self) {
        assert_eq!(self.values.len(), before.values.len());
        for family in self.families.iter().filter(|family| family.kind != "gauge") {
            for sample in &family.samples {
                let series = sample.series();
                let earlier = before.value(&series);
                assert!(sample.value >= earlier, "{series}: {earlier} was more");
            }
        }
    }
}

impl Family {
    fn check(&self) {
        let name = &self.name;
        assert!(is_name(name), "{name:?}");
        assert!(
            ["counter", "gauge", "histogram"].contains(&self.kind.as_str()),
            "{name} is a {:?}",
            self.kind
        );
        assert!(!self.samples.is_empty(), "{name} is empty");
        // https://prometheus.io/docs/practices/naming: base units.
        for unit in [
            "_ms",
            "_us",
            "_ns",
            "_milliseconds",
            "_kb",
            "_mb",
            "_minutes",
        ] {
            assert!(!name.contains(unit), "{name} is not in a base unit");
        }
        match self.kind.as_str() {
            "histogram" => self.check_histogram(),
            kind => {
                assert!(self.samples.iter().all(|sample| sample.name == *name));
                if kind == "counter" {
                    assert!(name.ends_with("_total"), "{name} counts");
                    let mut samples = self.samples.iter();
                    assert!(samples.all(|sample| sample.value >= 0.0 && sample.value.is_finite()));
                }
            }
        }
    }

    /// Ours have no labels but `le`.
    fn check_histogram(&self) {
        let name = &self.name;
        let [buckets @ .., sum, count] = &self.samples[..] else {
            panic!("{name} has no sum and count");
        };
        assert_eq!(sum.series(), format!("{name}_sum"));
        assert_eq!(count.series(), format!("{name}_count"));
        let (mut last_bound, mut last_count) = (f64::NEG_INFINITY, 0.0);
        for bucket in buckets {
            assert_eq!(bucket.name, format!("{name}_bucket"));
            let bound = bucket.labels.strip_prefix("le=\"");
            let bound = bound.and_then(|bound| bound.strip_suffix('"')).unwrap();
            let bound = number(bound);
            assert!(bound > last_bound, "{name}: {bound} after {last_bound}");
            assert!(bucket.value >= last_count, "{name} is not cumulative");
            (last_bound, last_count) = (bound, bucket.value);
        }
        assert_eq!(
            (last_bound, last_count),
            (f64::INFINITY, count.value),
            "{name}"
        );
        assert!(sum.value >= 0.0, "{name} sums to {}", sum.value);
    }
}

impl Sample {
    fn parse(line: &str) -> Self {
        let (series, value) = line
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("a series and its value: {line:?}"));
        let (name, labels) = match series.split_once('{') {
            None => (series, ""),
            Some((name, labels)) => {
                let labels = labels.strip_suffix('}');
                (name, labels.unwrap_or_else(|| panic!("{line:?}")))
            }
        };
        assert!(is_name(name), "{line:?}");
        if series.contains('{') {
            check_labels(labels);
        }
        Self {
            name: name.to_owned(),
            labels: labels.to_owned(),
            value: number(value),
        }
    }

    fn series(&self) -> String {
        let Self { name, labels, .. } = self;
        if labels.is_empty() {
            name.clone()
        } else {
            format!("{name}{{{labels}}}")
        }
    }
}

/// Every value of ours is of letters, digits and a few signs, so none needs escaping.
fn check_labels(labels: &str) {
    let mut names = Vec::new();
    for label in labels.split(',') {
        let (name, value) = label
            .split_once("=\"")
            .and_then(|(name, value)| Some((name, value.strip_suffix('"')?)))
            .unwrap_or_else(|| panic!("{labels:?}"));
        assert!(is_name(name) && !name.contains(':'), "{labels:?}");
        assert!(!names.contains(&name), "{name} twice in {labels:?}");
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        assert!(
            !value.is_empty() && value.bytes().all(is_plain),
            "{labels:?}"
        );
        names.push(name);
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || b"_:".contains(&byte);
    name.bytes().next().is_some_and(is_letter)
        && name
            .bytes()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    let number = text.parse();
    number.unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

#[test]
fn what_the_format_forbids_is_noticed() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n";
    assert_eq!(Exposition::parse(good).value("a_total{b=\"c\"}"), 1.0);
    for (part, bad) in [
        ("# HELP a_total A.\n", ""),
        ("# TYPE a_total counter\n", ""),
        (" counter", " count"),
        (" 1\n", " one\n"),
        (" 1\n", " -1\n"),
        (" 1\n", " 1"),
        ("b=\"c\"", "b=c"),
        ("b=\"c\"", "b=\"c\",b=\"d\""),
        (
            "a_total{b=\"c\"} 1\n",
            "a_total{b=\"c\"} 1\na_total{b=\"c\"} 1\n",
        ),
        ("a_total{b=\"c\"} 1\n", "other 1\n"),
        ("a_total{b=\"c\"} 1\n", "\na_total 1\n"),
        ("a_total", "a"),
        ("a_total", "a_ms_total"),
    ] {
        let bad = good.replace(part, bad);
        let parsed = std::panic::catch_unwind(|| Exposition::parse(&bad));
        assert!(parsed.is_err(), "{bad}");
    }
}
