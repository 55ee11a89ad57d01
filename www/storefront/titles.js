// The data writes titles in capitals ("WHITE HANGING HEART T-LIGHT HOLDER").
// Here they become sentences ("White hanging heart T-light holder").

const NAMES = /\b(christmas|xmas|easter|valentine|noel|santa|rudolph|english|england|french|france|paris|london|british|scottish|swiss|swedish|danish|scandinavian|japanese|chinese|indian|russian|turkish|moroccan|venetian|victorian|edwardian|georgian|regency|william|morris|union jack|spaceboy|dolly|charlotte|lola|suki|boudicca|murano|monte carlo|new york|brocante|ladurée|madras|maria|charlie|betty|alice|eiffel|rex|dotcomgiftshop|january|december|advent|friday|sunday|i)\b/g;
const CAPITALS = /\b(uk|usa|usb|tv|3d|diy|cd|dvd|led|lcd|bbq|sos|a4|a5|a6|ok)\b/g;

/** A product's title in a readable case. */
export function readable(title) {
  return title
    .toLowerCase()
    .replace(/\s+/g, " ")
    .replace(/^[* ]+| +$/g, "")
    .replace(/\bs\/ ?(\d+)/g, "set of $1 ")
    .replace(/\bset ?\/ ?(\d+)/g, "set of $1 ")
    .replace(/\bset (\d+)\b/g, "set of $1")
    .replace(/\bw\/ ?/g, "with ")
    .replace(/\basst?d\b\.?/g, "assorted")
    .replace(/\bt[- ]?lights?\b/g, (found) => `T-light${found.endsWith("s") ? "s" : ""}`)
    .replace(/,(?=\S)/g, ", ")
    .replace(/ +([,.])/g, "$1")
    .replace(/ {2,}/g, " ")
    .replace(/[ ,.]+$/, "")
    .replace(NAMES, (name) => name.replace(/\b\p{L}/gu, (letter) => letter.toUpperCase()))
    .replace(CAPITALS, (name) => name.toUpperCase())
    .replace(/^[^\p{L}\p{N}]*\p{L}/u, (start) => start.toUpperCase());
}

/** A reason's sentence, with the title that stands in it made readable. */
export function readableSentence(sentence) {
  return sentence.replace(/(?<=^Goes with ).+(?=, which you)|(?<=“).+(?=”)/, readable);
}
