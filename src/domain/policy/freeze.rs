//! `freeze`: windows of time in which nothing is published and nothing published is deleted.
//!
//! A window is one span between two moments, or a span that comes every week by the wall clock of its time zone.
//! Never here: looking at the clock, and finding time zones (see `config`).

use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;

use super::Block;
use super::question::{Answer, Question, Rule};
use crate::domain::lifecycle::Action;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::timestamp::Micros;

/// The rule.
pub const RULE: Rule = Rule { code: Code::Frozen, key: "freeze", ask };

const MINUTES_A_DAY: u16 = 24 * 60;

/// A window, with the zone by whose clock it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// What it is called, such as `end of year`.
    pub name: Option<String>,
    /// When.
    pub window: Window,
    /// The time zone.
    pub zone: TimeZone,
    /// Its name, as IANA writes it.
    pub zone_name: String,
}

/// A span of time: from its first moment until before its last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Once.
    Once {
        /// The first moment that is frozen.
        from: Timestamp,
        /// The first that is not any more.
        until: Timestamp,
    },
    /// Every week; one that ends before it begins goes over the end of the week.
    Weekly {
        /// The first minute that is frozen.
        from: WeekTime,
        /// The first that is not any more.
        until: WeekTime,
    },
}

/// A minute of the week, from Monday 00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeekTime(u16);

impl WeekTime {
    /// The minute of the week.
    pub fn new(day: Weekday, hour: u8, minute: u8) -> Self {
        let days = u16::from(day.to_monday_zero_offset().unsigned_abs());
        Self(days * MINUTES_A_DAY + u16::from(hour) * 60 + u16::from(minute))
    }

    fn of(time: DateTime) -> Self {
        Self::new(time.weekday(), time.hour().unsigned_abs(), time.minute().unsigned_abs())
    }

    fn shown(self) -> String {
        const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let (day, minute) = (self.0 / MINUTES_A_DAY, self.0 % MINUTES_A_DAY);
        format!("{} {:02}:{:02}", DAYS[usize::from(day) % 7], minute / 60, minute % 60)
    }
}

impl Freeze {
    /// Whether it holds at a moment.
    pub fn holds_at(&self, now: Micros) -> bool {
        let Ok(now) = i64::try_from(now.0).map_err(drop).and_then(|now| Timestamp::from_microsecond(now).map_err(drop))
        else {
            // A moment that no calendar knows is none in which anything is published.
            return true;
        };
        match self.window {
            Window::Once { from, until } => from <= now && now < until,
            Window::Weekly { from, until } => {
                let now = WeekTime::of(self.zone.to_datetime(now));
                if from < until { from <= now && now < until } else { from <= now || now < until }
            }
        }
    }

    /// Its end, for sentences: `until Mon 06:00 Europe/Berlin`.
    fn end(&self) -> String {
        match self.window {
            Window::Once { until, .. } => {
                let until = self.zone.to_datetime(until);
                format!("until {} {}", until.strftime("%Y-%m-%d %H:%M"), self.zone_name)
            }
            Window::Weekly { until, .. } => format!("until {} {}", until.shown(), self.zone_name),
        }
    }

    fn title(&self) -> String {
        self.name.as_ref().map_or_else(|| "a freeze".to_owned(), |name| format!("the freeze {name:?}"))
    }
}

fn ask(block: &Block, question: &Question<'_>) -> Option<Answer> {
    if block.freezes.is_empty() || !matches!(question.action, Action::Approve | Action::Publish | Action::Delete) {
        return None;
    }
    let Some(freeze) = block.freezes.iter().find(|freeze| freeze.holds_at(question.now)) else {
        return Some(Answer::Yes(format!("no freeze holds at {}", question.now)));
    };
    let (what, end) = (freeze.title(), freeze.end());
    let (words, title) = (question.action.words(), question.title());
    Some(Answer::No(
        Refusal::new(Code::Frozen, format!("nobody may {words} {title} now: rule {:?} has {what} {end}", block.name))
            .next(format!("wait for its end; an administrator can break the glass with a reason: {}", HOW_TO_BREAK)),
    ))
}

/// How the glass is broken, for sentences.
const HOW_TO_BREAK: &str = "git push -o break-glass=\"why\"";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Micros {
        let time: Timestamp = text.parse().expect("a time");
        Micros(u64::try_from(time.as_microsecond()).expect("after 1970"))
    }

    fn berlin() -> TimeZone {
        // As Europe/Berlin since 1996, without a need for the machine's data.
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("valid")
    }

    fn weekly(from: (Weekday, u8, u8), until: (Weekday, u8, u8)) -> Freeze {
        let time = |(day, hour, minute)| WeekTime::new(day, hour, minute);
        let window = Window::Weekly { from: time(from), until: time(until) };
        Freeze { name: None, window, zone: berlin(), zone_name: "Europe/Berlin".to_owned() }
    }

    #[test]
    fn a_weekly_window_follows_the_wall_clock_over_the_change_to_summer_time() {
        let weekend = weekly((Weekday::Friday, 18, 0), (Weekday::Monday, 6, 0));
        assert_eq!(weekend.end(), "until Mon 06:00 Europe/Berlin");
        for (time, frozen) in [
            // Winter: one hour before UTC. 2026-03-29 is the change.
            ("2026-03-27T16:59:59Z", false),
            ("2026-03-27T17:00:00Z", true),
            ("2026-03-29T01:30:00Z", true),
            // Summer: two hours.
            ("2026-03-30T03:59:59Z", true),
            ("2026-03-30T04:00:00Z", false),
            ("2026-04-03T15:59:59Z", false),
            ("2026-04-03T16:00:00Z", true),
        ] {
            assert_eq!(weekend.holds_at(at(time)), frozen, "{time}");
        }
        let night = weekly((Weekday::Tuesday, 1, 0), (Weekday::Tuesday, 2, 0));
        assert!(night.holds_at(at("2026-06-01T23:30:00Z")) && !night.holds_at(at("2026-06-02T00:00:00Z")));
    }

    #[test]
    fn a_single_window_has_a_first_moment_and_a_last() {
        let time = |text: &str| text.parse::<Timestamp>().expect("a time");
        let window = Window::Once { from: time("2026-12-20T00:00Z"), until: time("2027-01-02T07:00Z") };
        let name = Some("end of year".to_owned());
        let freeze = Freeze { name, window, zone: berlin(), zone_name: "Europe/Berlin".to_owned() };
        assert_eq!(freeze.end(), "until 2027-01-02 08:00 Europe/Berlin");
        for (time, frozen) in [
            ("2026-12-19T23:59:59.999999Z", false),
            ("2026-12-20T00:00:00Z", true),
            ("2027-01-02T06:59:59Z", true),
            ("2027-01-02T07:00:00Z", false),
        ] {
            assert_eq!(freeze.holds_at(at(time)), frozen, "{time}");
        }
        assert!(freeze.holds_at(Micros(u64::MAX)), "closed when in doubt");
    }
}
