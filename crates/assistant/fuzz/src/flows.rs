//! What the fuzz targets run: any bytes as flows, as a file of flows, as a dialogue's state.
//! A test of the crate includes this file and runs it on mutated inputs.

use shelfedge_assistant::dialogue::{
    Dialogue, Entity, Event, Heard, Input, Language, Outcome, Sentiment,
};
use shelfedge_assistant::flow::{Drawing, Flows, compile};

/// Any bytes as compiled flows, drawn and walked. Whether they are sound.
pub(crate) fn flows(bytes: &[u8]) -> bool {
    let Ok(flows) = Flows::open(bytes) else {
        return false;
    };
    for flow in 0..flows.len() {
        let drawing = Drawing::of(&flows, flow);
        assert!(drawing.dot().len() > 10 && drawing.mermaid().len() > 10);
    }
    let dialogue = Dialogue::new(flows);
    talk(&dialogue, &[], bytes);
    true
}

/// Any bytes as a file of flows. Whether they compile.
pub(crate) fn source(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match compile::compile(&text, &[]) {
        Ok(bytes) => {
            assert!(Flows::open(&bytes[..]).is_ok(), "what compiles opens");
            true
        }
        Err(faults) => {
            assert!(faults.iter().all(|f| f.line > 0 && f.column > 0));
            assert!(!faults.is_empty());
            false
        }
    }
}

/// Any bytes as a state of a dialogue. Whether they are one.
pub(crate) fn state(flows: &[u8], bytes: &[u8]) -> bool {
    let flows = Flows::open(flows).expect("the flows are sound");
    let dialogue = Dialogue::new(flows);
    talk(&dialogue, bytes, bytes)
}

/// A few turns that the bytes choose. Whether the state was one.
fn talk(dialogue: &Dialogue<&[u8]>, state: &[u8], choose: &[u8]) -> bool {
    const INTENTS: [&str; 12] = [
        "order_status",
        "affirm",
        "deny",
        "correct",
        "stop",
        "repeat",
        "cancel_order",
        "inform",
        "restart",
        "human",
        "help",
        "oos",
    ];
    let mut state = state.to_vec();
    let text = String::from_utf8_lossy(choose);
    for (i, byte) in choose
        .iter()
        .chain(&[0, 1, 77, 1])
        .rev()
        .take(12)
        .enumerate()
    {
        let flows = dialogue.flows();
        let intent = match i {
            0 => flows.flow(u32::from(*byte) % flows.len()).name,
            _ => INTENTS[usize::from(*byte) % INTENTS.len()],
        };
        let intents = [(intent, f32::from(*byte) / 200.0)];
        let entities = [Entity {
            kind: ["order_number", "address", "product", "money"][usize::from(*byte >> 2) % 4],
            value: &text[..text.char_indices().nth(9).map_or(0, |(at, _)| at)],
            confidence: f32::from(*byte) / 100.0,
            span: (u32::from(*byte), 3),
        }];
        let heard = Heard {
            text: &text,
            language: [Language::English, Language::Chinese, Language::Other]
                [usize::from(*byte) % 3],
            intents: &intents,
            entities: &entities[..usize::from(*byte % 2)],
            also: None,
            sentiment: Some(Sentiment {
                level: *byte as i8,
                confidence: f32::NAN,
            }),
        };
        let event = match byte % 8 {
            0 => Event::Silence,
            1 => Event::Done(Outcome {
                call: i as u32,
                name: "found",
                ..Outcome::default()
            }),
            _ => Event::Said(heard),
        };
        let now = i64::from(*byte).wrapping_mul(i64::MAX / 3);
        match dialogue.turn(&state, &Input { now, event }) {
            Ok(output) => {
                assert!(
                    dialogue
                        .packet(&output.state, &[], &mut str::to_owned)
                        .is_ok()
                );
                state = output.state;
            }
            Err(_) if i == 0 => return false,
            Err(error) => panic!("a state that was given out is refused: {error}"),
        }
    }
    true
}
