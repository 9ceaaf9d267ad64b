// Calls to this server, and its errors in words.
class Problem extends Error {
  constructor(words, status = 0) {
    super(words);
    this.status = status;
  }
}

async function call(path, body, signal) {
  const key = at("key").value.trim();
  const headers = key ? { "X-API-Key": key } : {};
  const options = body === undefined ? { headers, signal } : {
    method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body), signal,
  };
  let answer, text;
  try {
    answer = await fetch(path, options);
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached. Check that it is running and that the network works.");
  }
  const data = parsed(text);
  if (!answer.ok) throw new Problem(words(answer, data), answer.status);
  if (data === undefined) throw new Problem("The server's answer is not JSON.");
  return data;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function words(answer, data) {
  const found = data?.error?.message ?? data?.error ?? data?.message ?? data?.detail;
  const message = typeof found === "string" && found ? found[0].toUpperCase() + found.slice(1) : "";
  const wait = answer.headers.get("Retry-After");
  switch (answer.status) {
    case 401: return "The server needs an API key; it is missing or wrong. Enter it below the Score button.";
    case 413: return `This is too much for one request. ${message}`;
    case 429: return `The server is busy. Try again ${wait ? `in ${count(Number(wait), "second")}` : "in a moment"}.`;
    default: return message || `The server answered with status ${answer.status}.`;
  }
}
