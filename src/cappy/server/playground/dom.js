// Elements. Texts from users and servers only become text nodes, never HTML.
const at = (id) => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(tag), rest);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(aria)) element.setAttribute(name === "role" ? name : `aria-${name}`, value);
  element.append(...children);
  return element;
}

function say(text) {
  at("status").textContent = text;
}

const signed = (number) => (number < 0 ? "−" : "+") + Math.abs(number).toFixed(3);
const plain = (number) => (number < 0 ? "−" : "") + Math.abs(number).toFixed(3);
const count = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
