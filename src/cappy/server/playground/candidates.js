// The candidates' text boxes; a box of several lines offers to split them into candidates.
const rows = () => [...at("candidates").children];
const box = (row) => row.querySelector("textarea");
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);

// Blank boxes are skipped; the others keep the number of their box.
const filled = () => rows().map((row, place) => ({ text: box(row).value, number: place + 1 })).filter(({ text }) => text.trim());

function addCandidate(text = "", after = null) {
  const area = make("textarea", { rows: 1, value: text });
  const remove = make("button", { type: "button", className: "remove", textContent: "✕" });
  const split = make("button", { type: "button", className: "split small", hidden: true });
  const row = make("li", {}, make("span", { className: "number", aria: { hidden: "true" } }), area, remove, split);
  area.addEventListener("input", () => offer(row));
  remove.addEventListener("click", () => removeCandidate(row));
  split.addEventListener("click", () => splitCandidate(row));
  after ? after.after(row) : at("candidates").append(row);
  offer(row);
  number();
  return row;
}

function setCandidates(texts) {
  at("candidates").replaceChildren();
  for (const text of texts.length ? texts : ["", ""]) addCandidate(text);
}

function offer(row) {
  const found = lines(box(row).value).length;
  const split = row.querySelector(".split");
  split.hidden = found < 2;
  split.textContent = `Make these ${found} lines ${found} candidates`;
}

function splitCandidate(row) {
  const [first, ...others] = lines(box(row).value);
  box(row).value = first;
  offer(row);
  let last = row;
  for (const text of others) last = addCandidate(text, last);
  box(last).focus();
  changed();
}

function removeCandidate(row) {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  row.remove();
  if (!rows().length) addCandidate();
  number();
  (next ? box(next) : box(rows()[0])).focus();
  changed();
}

function number() {
  rows().forEach((row, place) => {
    row.querySelector(".number").textContent = place + 1;
    box(row).setAttribute("aria-label", `Candidate ${place + 1}`);
    row.querySelector(".remove").setAttribute("aria-label", `Remove candidate ${place + 1}`);
  });
}
