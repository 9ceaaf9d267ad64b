// The same call as curl and as Python. Keys appear as variables, never as values.
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

function curlOf(address, body, key) {
  const header = key ? ` \\\n  -H "X-API-Key: $CAPPY_API_KEY"` : "";
  return `curl ${quoted(address)} -H 'content-type: application/json'${header} \\\n  -d ${quoted(JSON.stringify(body))}`;
}

function pythonOf(address, body, key) {
  // A JSON object of strings is a Python literal too.
  const headers = `{"content-type": "application/json"${key ? ', "x-api-key": os.environ["CAPPY_API_KEY"]' : ""}}`;
  return [
    `import json${key ? "\nimport os" : ""}\nfrom urllib.request import Request, urlopen\n`,
    `body = ${JSON.stringify(body, null, 4)}`,
    `headers = ${headers}`,
    `request = Request(${JSON.stringify(address)}, json.dumps(body).encode(), headers)`,
    `for item in json.load(urlopen(request))["items"]:\n    print(f'{item["score"]:.3f}', item["text"])`,
  ].join("\n");
}

function showSnippets() {
  const address = new URL("rank", document.baseURI).href, key = at("key").value.trim();
  at("curl").textContent = curlOf(address, rankRequest(), key);
  at("python").textContent = pythonOf(address, rankRequest(), key);
}

async function copy(button) {
  const source = at(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch { // remote pages over plain HTTP must not write to the clipboard
    getSelection().selectAllChildren(source);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2500);
}
