// Elements, words and numbers. Text only ever enters the page as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

const there = child => child !== undefined && child !== null && child !== false;

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.flat(Infinity).filter(there));
  return element;
};

// An element with attributes (`onclick` and the like are listeners) and children.
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

// The same, of a drawing.
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const byId = id => document.getElementById(id);

// Puts children in place of what was there.
export const show = (target, ...children) =>
  target.replaceChildren(...children.flat(Infinity).filter(there));

// `days_in_trial` to `Days in trial`; what has capitals of its own keeps them.
export const human = name => {
  const words = name.replace(/[_.]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
};

// A number with about three significant digits, for reading; files and the service keep all of them.
export const brief = value => {
  if (typeof value !== 'number') return value === null || value === undefined ? 'missing' : String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e6 || size < 1e-4)) return minus(value.toExponential(2));
  const places = Math.max(0, 2 - Math.floor(Math.log10(size)));
  return minus(String(Number(value.toFixed(Math.min(places, 6)))));
};

export const signed = value => (value > 0 ? '+' : '') + brief(value);

const minus = text => text.replace('-', '−');

export const percent = p => {
  if (p > 0 && p < 0.001) return '< 0.1 %';
  if (p < 1 && p > 0.999) return '> 99.9 %';
  return `${(p * 100).toFixed(1)} %`;
};

// A list of names and values; what has no value is left out.
export const facts = pairs => el('dl', { class: 'facts' }, pairs
  .filter(([, value]) => there(value) && value !== '')
  .map(([name, value]) => el('div', null, el('dt', null, name), el('dd', null, value))));

// A table; a column is `[heading, class]`, a cell a text or an element, the first cell of a row its heading.
export const table = (caption, columns, rows) => el('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': caption },
  el('table', null, el('caption', null, caption),
    el('thead', null, el('tr', null, columns.map(([name, kind]) => el('th', { scope: 'col', class: kind }, name)))),
    el('tbody', null, rows.map(({ cells, kind }) => el('tr', { class: kind }, cells.map((cell, at) =>
      at === 0 ? el('th', { scope: 'row', class: columns[0][1] }, cell) : el('td', { class: columns[at]?.[1] }, cell)))))));

// Offers a text as a file.
export const download = (name, type, text) => {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = el('a', { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
};
