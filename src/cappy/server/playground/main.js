// The whole page: examples, the running request, and the actions of keys and buttons.
const EXAMPLES = [
  ["a request", "A customer writes: I still have not received my new card, it has been two weeks.\nWhat is it about?",
    ["exchange rate", "card arrival", "top up failed", "lost phone"]],
  ["a review", "A warm, funny film that I could watch again tomorrow.\nIs this review positive or negative?",
    ["positive", "negative"]],
  ["a headline", "Write a headline for: The city council voted on Tuesday to close the old bridge for repairs until spring.",
    ["Council elects a new mayor", "Old bridge closes for repairs until spring", "Spring arrives early this year"]],
];
let running = null;

function rankRequest() {
  const request = { instruction: at("instruction").value, candidates: filled().map(({ text }) => text) };
  return at("scorer").options.length > 1 ? { model: at("scorer").value, ...request } : request;
}

async function scoreAll(signal) {
  const request = rankRequest(), numbers = filled().map(({ number }) => number);
  if (!request.candidates.length) throw new Problem("Add a candidate to score.");
  say("Scoring …");
  const started = performance.now();
  const answer = await call("rank", request, signal);
  showResults(request, numbers, answer);
  reveal(at("output"));
  const took = Math.max(1, Math.round(performance.now() - started));
  say(`${count(answer.items.length, "candidate")} scored by ${answer.model} in ${took.toLocaleString("en")} ms.`);
}

// One request at a time: a new one aborts the previous one, whose answer is ignored.
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

// On a narrow screen the results are below the inputs.
function reveal(element) {
  if (element.getBoundingClientRect().top > 0.7 * innerHeight) element.scrollIntoView({ block: "start" });
}

function showProblem(error) {
  if (!(error instanceof Problem)) console.error(error);
  say("");
  at("problem").textContent = error instanceof Problem ? error.message : "This page failed; see its console for details.";
  at("problem").hidden = false;
  if (error.status !== 401) return reveal(at("problem"));
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
  listModels().catch(() => {}); // without a list the default scorer is used; scoring reports errors
}

start();
