// Bars of scores, best first, on one axis that includes 0, 1 and every score.
function showResults(request, numbers, answer) {
  const scores = answer.items.map((item) => item.score);
  const low = Math.min(0, ...scores), high = Math.max(1, ...scores);
  const share = (value) => (100 * (value - low)) / (high - low);
  at("axis").replaceChildren(...[[0, "0 wrong"], [1, "1 right"]].map(([value, name]) => {
    const label = make("span", { textContent: name });
    label.style.left = `${share(value)}%`;
    label.style.transform = `translateX(-${share(value)}%)`; // labels at the ends stay inside
    return label;
  }));
  at("results").replaceChildren(...answer.items.map((item, place) => result(request, item, numbers[item.index], place === 0, share)));
  at("stale").hidden = true;
}

function result(request, item, number, best, share) {
  const blank = !item.text.trim();
  const why = make("button", { type: "button", className: "small", textContent: "Which words?", aria: { expanded: "false" } });
  why.setAttribute("aria-label", `Which words moved the score of candidate ${number}?`);
  const under = make("div", { className: "under" },
    ...(best ? [make("span", { className: "badge", textContent: "Best" })] : []),
    make("span", { textContent: `candidate ${number}` }),
    ...(cutWords(item.cut) ? [make("span", { className: "cut", textContent: cutWords(item.cut) })] : []),
    why);
  const row = make("li", { className: best ? "result best" : "result" },
    make("div", { className: "line" },
      make("p", { className: blank ? "said empty" : "said", textContent: blank ? "(blank)" : item.text }),
      make("span", { className: "value", textContent: plain(item.score) })),
    bar(item.score, share), under);
  why.addEventListener("click", () => toggleEffects(why, row, request, item.text));
  return row;
}

function bar(score, share) {
  const fill = make("i"), track = make("div", { className: "bar", aria: { hidden: "true" } }, fill);
  fill.style.left = `${share(Math.min(0, score))}%`;
  fill.style.width = `${Math.abs(share(score) - share(0))}%`;
  for (const value of [0, 1]) {
    if (share(value) <= 0 || share(value) >= 100) continue; // the ends of the track show these
    const tick = make("b");
    tick.style.left = `${share(value)}%`;
    track.append(tick);
  }
  return track;
}

function cutWords(cut) {
  const parts = Object.entries(cut).filter(([, tokens]) => tokens);
  return parts.map(([side, tokens]) => `${count(tokens, "token")} of the ${side} cut`).join(", ");
}
