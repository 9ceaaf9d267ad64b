// Which words moved a score: marks in both texts, and a table of the strongest for screen readers too.
const STRONGEST = 6;

async function toggleEffects(button, row, request, response) {
  const open = row.querySelector(".why");
  button.setAttribute("aria-expanded", String(!open));
  if (open) return open.remove();
  const panel = make("div", { className: "why", aria: { busy: "true" } }, "Looking …");
  row.append(panel);
  const { model, instruction } = request;
  try {
    const answer = await call("explain", { model, instruction, response });
    panel.replaceChildren(...effects(answer, instruction, response));
  } catch (error) {
    panel.replaceChildren(make("p", { className: "problem", textContent: error.message, aria: { role: "alert" } }));
  }
  panel.removeAttribute("aria-busy");
}

function effects(answer, instruction, response) {
  const sides = [["candidate", response, answer.response], ["instruction", instruction, answer.instruction]];
  const all = sides.flatMap(([name, , spans]) => spans.map((span) => ({ ...span, name })));
  const most = Math.max(...all.map((span) => Math.abs(span.effect)), 1e-9);
  return [
    make("div", { className: "legend" },
      make("span", {}, make("mark", { className: "up", textContent: "raised" }), " the score"),
      make("span", {}, make("mark", { className: "down", textContent: "lowered" }), " it; stronger colours mean larger effects")),
    ...sides.flatMap(([name, text, spans]) => [
      make("h3", { textContent: name === "candidate" ? "Candidate" : "Instruction" }), marked(text, spans, most),
    ]),
    strongest(all),
  ];
}

function marked(text, spans, most) {
  const points = Array.from(text); // the server counts code points, strings here count UTF-16 units
  const line = make("p", { className: "marked" });
  let done = 0;
  for (const { start, end, effect } of spans) {
    const strength = Math.abs(effect) / most;
    const word = points.slice(start, end).join("");
    line.append(points.slice(done, start).join(""), strength < 0.1 ? word : mark(word, effect, strength));
    done = end;
  }
  line.append(points.slice(done).join(""));
  return line;
}

function mark(word, effect, strength) {
  const way = effect > 0 ? "up" : "down";
  const title = `${effect > 0 ? "raised" : "lowered"} the score by ${Math.abs(effect).toFixed(3)}`;
  const found = make("mark", { className: way, title, textContent: word });
  found.style.setProperty("--strength", strength.toFixed(2));
  return found;
}

function strongest(all) {
  const few = all.sort((a, b) => Math.abs(b.effect) - Math.abs(a.effect)).slice(0, STRONGEST);
  return make("table", { className: "strongest" },
    make("caption", { textContent: "Score of the whole text minus score without:" }),
    make("tbody", {}, ...few.map((span) => make("tr", {},
      make("td", { textContent: signed(span.effect) }),
      make("td", { textContent: span.name }),
      make("th", { scope: "row", textContent: span.text })))));
}
