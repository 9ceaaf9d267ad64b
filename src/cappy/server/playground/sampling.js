// Samples of this server's language model, if it has one.
const ABSENT = [404, 405, 501];

async function askModel(signal) {
  const instruction = at("instruction").value;
  if (!instruction.trim()) throw new Problem("Enter an instruction to answer.");
  const n = Math.max(1, Math.min(64, Math.round(Number(at("samples").value)) || 1));
  const body = { messages: [{ role: "user", content: instruction }], cappy: { n, candidates: true } };
  if (at("llm").value) body.model = at("llm").value;
  if (at("scorer").value) body.cappy.scorer = at("scorer").value;
  say(`Waiting for ${count(n, "sample")} …`);
  let answer;
  try {
    answer = await call("v1/chat/completions", body, signal);
  } catch (error) {
    const absent = ABSENT.includes(error.status) || (error.status === 503 && /language model|llm/i.test(error.message));
    if (!absent) throw error;
    say("");
    at("no-llm").hidden = false;
    return at("no-llm").focus();
  }
  const texts = (answer.cappy?.candidates ?? []).map((candidate) => candidate.text ?? "");
  if (!texts.some((text) => text.trim())) throw new Problem("The language model returned no text.");
  setCandidates([...new Set(texts)]);
  await scoreAll(signal);
}

async function listModels() {
  const { data } = await call("v1/models");
  const own = data.filter((model) => model.owned_by === "cappy");
  choose("scorer", own, own.length > 1);
  const others = data.filter((model) => model.owned_by !== "cappy");
  choose("llm", others, others.length > 1);
}

function choose(id, models, shown) {
  const before = at(id).value;
  at(id).replaceChildren(...models.map((model) => make("option", { value: model.id, textContent: model.id })));
  if (models.some((model) => model.id === before)) at(id).value = before;
  at(`${id}-choice`).hidden = !shown;
}
