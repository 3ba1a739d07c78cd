//! Fits a reply into its lines: what matters most is told of every ref, the rest by reference.
//!
//! Never here: what is told (see `told` and `reply`).

/// So many lines has a reply, whatever was pushed.
pub const MOST_LINES: usize = 25;

/// No line of a reply is longer, in characters; commands to be typed are shorter than that.
const LONGEST_LINE: usize = 600;

/// One thing that differs, with what is told below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Its own line.
    pub line: String,
    /// What is told below it.
    pub below: Vec<String>,
    /// How much could be told below it in all.
    pub count_below: usize,
}

/// What is told of one ref.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Block {
    /// What happened. Always told.
    pub head: String,
    /// What the content was compared with, and how much differs.
    pub compared: Option<String>,
    /// What differs.
    pub items: Vec<Item>,
    /// How many items there are beyond these.
    pub beyond: usize,
    /// The command that shows all that differs.
    pub all: String,
    /// Gates, pipeline, warnings.
    pub state: Vec<String>,
    /// Who may go on, and the commands to do it.
    pub next: Vec<String>,
}

impl Block {
    /// How many lines it would take to tell everything.
    fn whole(&self) -> usize {
        let items: usize = self.items.iter().map(|item| 1 + item.count_below).sum();
        1 + self.compared.iter().len() + items + usize::from(self.beyond > 0) + self.state.len() + self.next.len()
    }

    /// The block in at most `room` lines: the head, what can be done next, how much differs, how it stands, what differs.
    fn lines(&self, room: usize) -> Vec<String> {
        let mut left = room.saturating_sub(1);
        let mut take = |wanted: usize| {
            let taken = wanted.min(left);
            left -= taken;
            taken
        };
        let next = take(self.next.len());
        let compared = take(self.compared.iter().len());
        let state = take(self.state.len());
        let mut lines = vec![self.head.clone()];
        lines.extend(self.compared.iter().take(compared).map(|line| format!("  {line}")));
        lines.extend(self.differing(left));
        lines.extend(self.state.iter().take(state).chain(self.next.iter().take(next)).map(|line| format!("  {line}")));
        lines
    }

    /// What differs, in at most `room` lines: first every item, then what is below them. The last line says what is left out.
    fn differing(&self, room: usize) -> Vec<String> {
        let whole: usize = self.items.iter().map(|item| 1 + item.count_below).sum();
        let everything = whole <= room && self.beyond == 0;
        if room == 0 || (room == 1 && !everything) {
            return Vec::new();
        }
        let room = if everything { room } else { room - 1 };
        let told = self.items.len().min(room);
        let mut left = room - told;
        let (mut lines, mut hidden_below) = (Vec::new(), 0);
        for item in self.items.iter().take(told) {
            let below = item.below.len().min(left);
            left -= below;
            hidden_below += item.count_below - below;
            lines.push(format!("    {}", item.line));
            lines.extend(item.below.iter().take(below).map(|line| format!("        {line}")));
        }
        let hidden = self.items.len() - told + self.beyond;
        let mut more = Vec::new();
        if hidden > 0 {
            more.push(format!("{hidden} more"));
        }
        match hidden_below {
            0 => {}
            1 => more.push("1 more field".to_owned()),
            many => more.push(format!("{many} more fields")),
        }
        if !more.is_empty() {
            lines.push(format!("    … and {}: {}", more.join(" and "), self.all));
        }
        lines
    }
}

/// The lines for several refs, and for `more` others that are only counted; at most `room`.
pub fn reply(blocks: &[Block], more: usize, room: usize) -> Vec<String> {
    let counted = blocks.len() + more > room || more > 0;
    let space = if counted { room.saturating_sub(1) } else { room };
    let told = &blocks[..blocks.len().min(space)];
    let mut rooms: Vec<usize> = told.iter().map(|block| block.whole().min(space / told.len().max(1))).collect();
    let mut left = space - rooms.iter().sum::<usize>();
    for (block, room) in told.iter().zip(&mut rooms) {
        let extra = (block.whole() - *room).min(left);
        *room += extra;
        left -= extra;
    }
    let mut lines: Vec<String> = told.iter().zip(rooms).flat_map(|(block, room)| block.lines(room)).collect();
    match blocks.len() - told.len() + more {
        0 => {}
        1 => lines.push("and 1 more ref, as it was pushed".to_owned()),
        hidden => lines.push(format!("and {hidden} more refs, each as it was pushed")),
    }
    lines.iter().map(|line| fit(line)).collect()
}

/// A line fit for a terminal.
pub fn fit(line: &str) -> String {
    crate::krm::shown::line(line, LONGEST_LINE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(items: usize, fields: usize, state: usize, next: usize) -> Block {
        let texts = |count: usize, what: &str| (0..count).map(|at| format!("{what} {at}")).collect::<Vec<_>>();
        let item = Item { line: "~ item".to_owned(), below: texts(fields, "field"), count_below: fields };
        Block {
            head: "head".to_owned(),
            compared: Some("compared".to_owned()),
            items: vec![item; items],
            beyond: 0,
            all: "git diff".to_owned(),
            state: texts(state, "state"),
            next: texts(next, "next"),
        }
    }

    #[test]
    fn what_does_not_fit_is_told_by_reference() {
        let lines = reply(&[block(2, 3, 1, 2)], 0, 9);
        assert_eq!(lines[..4], ["head", "  compared", "    ~ item", "        field 0"]);
        assert_eq!(lines[4..6], ["    ~ item", "    … and 5 more fields: git diff"]);
        assert_eq!(lines[6..], ["  state 0", "  next 0", "  next 1"]);
        let lines = reply(&[block(30, 1, 0, 1)], 0, 10);
        assert_eq!(lines[8..], ["    … and 24 more and 6 more fields: git diff", "  next 0"]);
        assert_eq!(reply(&[block(30, 1, 0, 1)], 0, 3), ["head", "  compared", "  next 0"]);
    }

    proptest! {
        #[test]
        fn no_reply_is_too_long(
            sizes in prop::collection::vec((0_usize..40, 0_usize..5, 0_usize..6, 0_usize..5), 0..40),
            more in 0_usize..100,
            room in 1_usize..40,
        ) {
            let blocks: Vec<Block> = sizes.iter().map(|&(items, fields, state, next)| block(items, fields, state, next)).collect();
            let lines = reply(&blocks, more, room);
            prop_assert!(lines.len() <= room, "{lines:#?}");
            let whole: usize = blocks.iter().map(Block::whole).sum();
            // What fits is told, all of it.
            if more == 0 && whole <= room && blocks.len() <= 1 {
                prop_assert_eq!(lines.len(), whole);
            }
        }
    }
}
