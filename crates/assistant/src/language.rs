//! Which language a text is in, as far as its letters and commonest words tell.

use shelfedge_features::text::{MAX_TEXT_BYTES, fold};

use crate::dialogue::Language;

/// Common words of English that are none of the languages below.
const ENGLISH: &[&str] = &[
    "i", "my", "me", "the", "is", "it", "to", "you", "your", "and", "where", "what", "when", "how",
    "can", "have", "has", "please", "order", "this", "that", "not", "don't", "want", "need", "do",
    "does", "are", "for", "with", "of", "was", "yes", "hello", "hi", "thanks", "thank", "i'd",
    "i'm",
];
/// Common words of languages that are written in Latin letters, none of them English: German,
/// French, Spanish, Portuguese, Italian, Dutch, Polish, Turkish, Swedish, Vietnamese, Indonesian.
const OTHERS: &[&str] = &[
    "ich",
    "mein",
    "meine",
    "meinen",
    "wo",
    "ist",
    "das",
    "und",
    "nicht",
    "bitte",
    "habe",
    "wie",
    "kann",
    "der",
    "eine",
    "einen",
    "bestellung",
    "möchte",
    "für",
    "auf",
    "je",
    "mon",
    "ma",
    "mes",
    "où",
    "est",
    "le",
    "les",
    "une",
    "pas",
    "vous",
    "bonjour",
    "merci",
    "avec",
    "pour",
    "commande",
    "veux",
    "dans",
    "dónde",
    "donde",
    "está",
    "mi",
    "el",
    "los",
    "las",
    "pedido",
    "quiero",
    "por",
    "favor",
    "para",
    "hola",
    "gracias",
    "cómo",
    "una",
    "mis",
    "onde",
    "meu",
    "minha",
    "você",
    "não",
    "obrigado",
    "quero",
    "dove",
    "il",
    "mio",
    "ordine",
    "vorrei",
    "sono",
    "grazie",
    "ciao",
    "che",
    "per",
    "mijn",
    "waar",
    "het",
    "een",
    "niet",
    "ik",
    "bestelling",
    "graag",
    "gdzie",
    "jest",
    "moje",
    "zamówienie",
    "nie",
    "proszę",
    "nerede",
    "siparişim",
    "bir",
    "var",
    "değil",
    "jag",
    "och",
    "inte",
    "beställning",
    "vill",
    "của",
    "tôi",
    "đơn",
    "hàng",
    "không",
    "saya",
    "dimana",
    "pesanan",
    "tidak",
    "yang",
];

/// The language; none where nothing tells, as of a number or a name. The first 16 KiB are read.
#[must_use]
pub fn language(text: &str) -> Option<Language> {
    let mut end = text.len().min(MAX_TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let (mut han, mut other) = (0_u32, 0_u32);
    let (mut english, mut foreign, mut words) = (0_u32, 0_u32, 0_u32);
    let mut word = String::new();
    for c in text[..end].chars().chain([' ']) {
        let c = fold(c);
        let is_latin =
            matches!(c, 'a'..='z' | 'A'..='Z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}');
        if is_latin || (matches!(c, '\'' | '\u{2019}') && !word.is_empty()) {
            // A word that is longer is none of those.
            if word.len() < 32 {
                match c {
                    '\u{2019}' => word.push('\''),
                    _ => word.extend(c.to_lowercase()),
                }
            }
            continue;
        }
        if !word.is_empty() {
            words += 1;
            let is_among = |list: &[&str]| u32::from(list.contains(&word.as_str()));
            english += is_among(ENGLISH);
            foreign += is_among(OTHERS);
            word.clear();
        }
        match c {
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{20000}'..='\u{3134f}' => {
                han += 1;
            }
            _ => other += u32::from(c.is_alphabetic()),
        }
    }
    // Chinese is written without kana and Hangul; a letter of another script in it is no matter.
    if other > han && other > words {
        return Some(Language::Other);
    }
    if han > 0 && han >= words {
        return Some(match other > 0 && 4 * other >= han {
            true => Language::Other,
            false => Language::Chinese,
        });
    }
    match (english, foreign) {
        (0, 0) if words < 3 => None,
        // Mistyped, or of names: most of what customers write without one common word.
        (0, 0) => Some(Language::English),
        (english, foreign) if foreign > english => Some(Language::Other),
        _ => Some(Language::English),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_tell_their_language() {
        for (text, expected) in [
            ("Where is my order?", Some(Language::English)),
            ("WHERE’S MY STUFF i want it", Some(Language::English)),
            ("refund plz asap thx", Some(Language::English)),
            ("我的订单到哪了", Some(Language::Chinese)),
            ("iPhone 5 的壳有货吗", Some(Language::Chinese)),
            ("我想退 order 10042", Some(Language::Chinese)),
            ("請問我的訂單", Some(Language::Chinese)),
            ("Wo ist meine Bestellung?", Some(Language::Other)),
            ("Où est ma commande ?", Some(Language::Other)),
            ("¿Dónde está mi pedido?", Some(Language::Other)),
            ("Где мой заказ?", Some(Language::Other)),
            ("注文はどこですか", Some(Language::Other)),
            ("내 주문은 어디에 있나요", Some(Language::Other)),
            ("أين طلبي", Some(Language::Other)),
            ("10042", None),
            ("🙂🙂🙂", None),
            ("", None),
            ("Acme", None),
        ] {
            assert_eq!(language(text), expected, "{text}");
        }
    }
}
