// The page put together: examples, what runs at the moment, and what the keys and buttons do.
const EXAMPLES = [
  ["a fact", "Into which sea does the Danube flow?", ["the Baltic Sea", "the Black Sea", "a lake in Austria"]],
  ["a review", "“The soup was cold and we waited an hour.”\nIs this review positive or negative?", ["positive", "negative"]],
  ["a topic", "What is this text about?\n\nThe striker scored twice in the last ten minutes, and the stadium went wild.",
    ["cooking", "football", "politics", "astronomy"]],
];
let running = null;

function rankRequest() {
  const request = { instruction: at("instruction").value, candidates: filled().map(({ text }) => text) };
  return at("scorer").options.length > 1 ? { model: at("scorer").value, ...request } : request;
}

async function scoreAll(signal) {
  const request = rankRequest(), numbers = filled().map(({ number }) => number);
  if (!request.candidates.length) throw new Problem("There is no candidate to score.");
  say("Scoring …");
  const started = performance.now();
  const answer = await call("rank", request, signal);
  showResults(request, numbers, answer);
  const took = Math.max(1, Math.round(performance.now() - started));
  say(`${count(answer.items.length, "candidate")} scored by ${answer.model} in ${took.toLocaleString("en")} ms. ` +
    `About 0 is wrong, about 1 is right.`);
}

// One thing at a time: a new one ends the one before, whose answer is then worth nothing.
async function run(work) {
  running?.abort();
  const mine = (running = new AbortController());
  at("problem").hidden = at("no-llm").hidden = true;
  at("stop").hidden = false;
  at("output").setAttribute("aria-busy", "true");
  try {
    await work(mine.signal);
  } catch (error) {
    if (mine === running) error.name === "AbortError" ? say("Stopped.") : showProblem(error);
  }
  if (mine !== running) return;
  running = null;
  at("stop").hidden = true;
  at("output").removeAttribute("aria-busy");
}

function showProblem(error) {
  if (!(error instanceof Problem)) console.error(error);
  say("");
  at("problem").textContent = error instanceof Problem ? error.message : "This page failed; its console says more.";
  at("problem").hidden = false;
  if (error.status !== 401) return at("problem").scrollIntoView({ block: "nearest" });
  at("settings").open = true;
  at("key").focus();
}

function changed() {
  at("stale").hidden = !at("results").children.length;
  if (at("code").open) showSnippets();
}

function start() {
  for (const [name, instruction, texts] of EXAMPLES) {
    const button = make("button", { type: "button", textContent: name });
    button.addEventListener("click", () => {
      at("instruction").value = instruction;
      setCandidates(texts);
      run(scoreAll);
    });
    document.querySelector(".examples").append(button);
  }
  at("instruction").value = EXAMPLES[0][1];
  setCandidates(EXAMPLES[0][2]);

  at("form").addEventListener("submit", (event) => { event.preventDefault(); run(scoreAll); });
  at("form").addEventListener("input", changed);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run(scoreAll);
  });
  at("add").addEventListener("click", () => box(addCandidate()).focus());
  at("ask").addEventListener("click", () => run(askModel));
  at("stop").addEventListener("click", () => running?.abort());
  at("key").addEventListener("change", () => listModels().catch(() => {}));
  at("code").addEventListener("toggle", showSnippets);
  for (const button of document.querySelectorAll(".copy")) button.addEventListener("click", () => copy(button));
  listModels().catch(() => {}); // without a list the default scorer answers; scoring says what is wrong
}

start();
