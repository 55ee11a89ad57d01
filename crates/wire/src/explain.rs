//! The sentences that explain a place in a list, in English and Chinese.
//!
//! A sentence states a fact that the ranking found ("You bought this 4 times")
//! and, when the fact lowers the score, says so. It claims nothing about other
//! shoppers beyond what the tables hold.

use shelfedge_ranking::{Detail, Group, ProductRef, Reason};

/// One sentence in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

/// The sentence of a reason. `product` finds the product that a detail names.
pub fn sentence<'a>(reason: &Reason, product: impl Fn(u32) -> Option<ProductRef<'a>>) -> Sentence {
    let helps = reason.contribution > 0.0;
    let other = match reason.detail {
        Detail::GoesWith(index) => product(index)
            .map(|product| product.title)
            .filter(|title| !title.is_empty()),
        _ => None,
    };
    let sentence = match (reason.group, reason.detail, other) {
        (Group::BoughtBefore, Detail::Times(0), _) => {
            both("You have not bought this yet", "您还没有买过")
        }
        (Group::BoughtBefore, Detail::Times(times), _) => Sentence {
            en: match times {
                1 => "You bought this once".to_owned(),
                2 => "You bought this twice".to_owned(),
                _ => format!("You bought this {times} times"),
            },
            zh: format!("您买过 {times} 次"),
        },
        (Group::Session, _, Some(title)) => Sentence {
            en: format!("Goes with {title}, which you looked at"),
            zh: format!("与您看过的“{title}”相配"),
        },
        (Group::History, _, Some(title)) => Sentence {
            en: format!("Goes with {title}, which you bought"),
            zh: format!("与您买过的“{title}”相配"),
        },
        // The days are those of the model's data, which may be older than today.
        (Group::Popularity, Detail::Buyers(0), _) => both(
            "Nobody bought this in the last 30 days on record",
            "有记录的最近 30 天内没有人购买",
        ),
        (Group::Popularity, Detail::Buyers(1), _) => both(
            "One customer bought this in the last 30 days on record",
            "有记录的最近 30 天内有 1 位顾客购买",
        ),
        (Group::Popularity, Detail::Buyers(buyers), _) => Sentence {
            en: format!("{buyers} customers bought this in the last 30 days on record"),
            zh: format!("有记录的最近 30 天内有 {buyers} 位顾客购买"),
        },
        (_, Detail::Answers, _) if helps => return both("Fits your answers", "符合您的回答"),
        (_, Detail::Answers, _) => {
            return both(
                "Seldom bought with what you answered",
                "很少与您所答的商品一起购买",
            );
        }
        // Without a fact there is only the direction, which is said at once.
        (group, _, _) => return direction(group, helps),
    };
    if helps {
        sentence
    } else {
        Sentence {
            en: sentence.en + "; this counts against it",
            zh: sentence.zh + "(减分)",
        }
    }
}

fn both(en: &str, zh: &str) -> Sentence {
    Sentence {
        en: en.to_owned(),
        zh: zh.to_owned(),
    }
}

fn direction(group: Group, helps: bool) -> Sentence {
    match (group, helps) {
        (Group::Session, true) => both("Fits what you are looking at", "符合您正在看的商品"),
        (Group::Session, false) => both(
            "Seldom bought with what you are looking at",
            "很少与您正在看的商品一起购买",
        ),
        (Group::History, true) => both("Fits what you bought before", "符合您以往的购买"),
        (Group::History, false) => both(
            "Seldom bought with what you bought before",
            "很少与您以往购买的商品一起购买",
        ),
        (Group::BoughtBefore, true) => both("Your earlier orders speak for it", "您以往的订单加分"),
        (Group::BoughtBefore, false) => {
            both("Your earlier orders speak against it", "您以往的订单减分")
        }
        (Group::Popularity, true) => both("Many buy it now", "近来购买的人多"),
        (Group::Popularity, false) => both("Few buy it now", "近来购买的人少"),
        (Group::Price, true) => both("Its price speaks for it", "价格加分"),
        (Group::Price, false) => both("Its price speaks against it", "价格减分"),
        (Group::Age, true) => both("How long it has been on sale speaks for it", "上架时间加分"),
        (Group::Age, false) => both(
            "How long it has been on sale speaks against it",
            "上架时间减分",
        ),
        (Group::Product, true) => {
            both("A favourite of this shop's customers", "本店顾客喜爱的商品")
        }
        (Group::Product, false) => both(
            "Customers of this shop choose it less often",
            "本店顾客较少选择",
        ),
        (_, true) => both("The moment speaks for it", "此时此地加分"),
        (_, false) => both("The moment speaks against it", "此时此地减分"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn every_sentence() {
        let titles = |index: u32| {
            (index == 7).then_some(ProductRef {
                id: "85123A",
                title: "WHITE HANGING HEART",
                price_minor: 255,
            })
        };
        let mut text = String::new();
        let mut add = |group, detail| {
            for contribution in [0.5, -0.5] {
                let reason = Reason {
                    group,
                    contribution,
                    detail,
                };
                let Sentence { en, zh } = sentence(&reason, titles);
                text += &format!("{en} | {zh}\n");
            }
        };
        for times in [0, 1, 2, 4] {
            add(Group::BoughtBefore, Detail::Times(times));
        }
        add(Group::Session, Detail::GoesWith(7));
        add(Group::Session, Detail::Answers);
        add(Group::History, Detail::GoesWith(7));
        // A product that the tables don't hold gives no title.
        add(Group::History, Detail::GoesWith(8));
        for buyers in [0, 1, 132] {
            add(Group::Popularity, Detail::Buyers(buyers));
        }
        for group in Group::EXPLAINING {
            add(group, Detail::None);
        }
        expect![[r#"
            You have not bought this yet | 您还没有买过
            You have not bought this yet; this counts against it | 您还没有买过(减分)
            You bought this once | 您买过 1 次
            You bought this once; this counts against it | 您买过 1 次(减分)
            You bought this twice | 您买过 2 次
            You bought this twice; this counts against it | 您买过 2 次(减分)
            You bought this 4 times | 您买过 4 次
            You bought this 4 times; this counts against it | 您买过 4 次(减分)
            Goes with WHITE HANGING HEART, which you looked at | 与您看过的“WHITE HANGING HEART”相配
            Goes with WHITE HANGING HEART, which you looked at; this counts against it | 与您看过的“WHITE HANGING HEART”相配(减分)
            Fits your answers | 符合您的回答
            Seldom bought with what you answered | 很少与您所答的商品一起购买
            Goes with WHITE HANGING HEART, which you bought | 与您买过的“WHITE HANGING HEART”相配
            Goes with WHITE HANGING HEART, which you bought; this counts against it | 与您买过的“WHITE HANGING HEART”相配(减分)
            Fits what you bought before | 符合您以往的购买
            Seldom bought with what you bought before | 很少与您以往购买的商品一起购买
            Nobody bought this in the last 30 days on record | 有记录的最近 30 天内没有人购买
            Nobody bought this in the last 30 days on record; this counts against it | 有记录的最近 30 天内没有人购买(减分)
            One customer bought this in the last 30 days on record | 有记录的最近 30 天内有 1 位顾客购买
            One customer bought this in the last 30 days on record; this counts against it | 有记录的最近 30 天内有 1 位顾客购买(减分)
            132 customers bought this in the last 30 days on record | 有记录的最近 30 天内有 132 位顾客购买
            132 customers bought this in the last 30 days on record; this counts against it | 有记录的最近 30 天内有 132 位顾客购买(减分)
            Your earlier orders speak for it | 您以往的订单加分
            Your earlier orders speak against it | 您以往的订单减分
            Fits what you are looking at | 符合您正在看的商品
            Seldom bought with what you are looking at | 很少与您正在看的商品一起购买
            Fits what you bought before | 符合您以往的购买
            Seldom bought with what you bought before | 很少与您以往购买的商品一起购买
            Many buy it now | 近来购买的人多
            Few buy it now | 近来购买的人少
            Its price speaks for it | 价格加分
            Its price speaks against it | 价格减分
            How long it has been on sale speaks for it | 上架时间加分
            How long it has been on sale speaks against it | 上架时间减分
            A favourite of this shop's customers | 本店顾客喜爱的商品
            Customers of this shop choose it less often | 本店顾客较少选择
        "#]].assert_eq(&text);
    }
}
