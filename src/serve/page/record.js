// A record as the service's schema describes it: which fields, which inputs they need, what a text in them means.

import { brief, el, human } from './dom.js';

const kinds = property => [property.type].flat();
const numeric = property => kinds(property).some(kind => kind === 'number' || kind === 'integer');
const levels = property => property.enum?.filter(level => level !== null);
export const nullable = property => kinds(property).includes('null');

// The fields of a record but for `history`, which has inputs of its own.
// `seen` are the bounds of what training saw and `ordinary` what was usual there, by name, where the service tells them.
export const fieldsOf = (schema, { seen = {}, ordinary = {} } = {}) => Object.entries(schema.properties)
  .filter(([, property]) => !kinds(property).includes('array'))
  .map(([name, property]) => ({
    name,
    property,
    required: (schema.required ?? []).includes(name),
    levels: levels(property),
    numeric: numeric(property),
    whole: kinds(property).includes('integer'),
    range: property.minimum !== undefined && property.maximum !== undefined && sensible(property)
      ? [property.minimum, property.maximum] : undefined,
    unit: property['x-unit'],
    // Values in other units have other bounds.
    ...known(property, seen[name], ordinary[name]),
  }));

// What is known of the column itself says nothing of values in other units.
export const known = (property, seen, ordinary) => (property['x-convert'] ? {} : { seen, ordinary });

// Bounds that only say "any whole number" are none for a form.
const sensible = property => property.maximum - property.minimum < 1e12;

// Whether the model can use a field: what is neither required nor may be missing is only checked.
export const used = field => field.required || nullable(field.property);

// A control for a field. Everything typed goes to the service as it is, which is the only judge.
export const control = (field, id, attributes) => {
  const shared = { id, name: field.name, autocomplete: 'off', ...attributes };
  if (!field.levels) {
    const mode = !field.numeric ? undefined : field.whole && !(field.range?.[0] < 0) ? 'numeric' : 'decimal';
    return el('input', { type: 'text', inputmode: mode, spellcheck: 'false', ...shared });
  }
  const none = field.required && !nullable(field.property) ? 'Choose …' : 'Not known';
  return el('select', shared, el('option', { value: '' }, none),
    field.levels.map((level, at) => el('option', { value: at }, String(level))));
};

// The value of a control for the service; nothing when it is empty.
export const valueOf = (field, input) => {
  const text = input.value.trim();
  if (text === '') return undefined;
  if (field.levels) return field.levels[Number(text)];
  if (!field.numeric) return text;
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : text;
};

// Shows a value in a control.
export const setValue = (field, input, value) => {
  const missing = value === undefined || value === null;
  input.value = missing ? '' : field.levels ? String(field.levels.indexOf(value)) : String(value);
};

// What may be entered, in words.
export const hintOf = field => {
  const parts = [];
  if (field.property.description) parts.push(field.property.description);
  if (field.range) parts.push(`${brief(field.range[0])} to ${brief(field.range[1])}`);
  const convert = field.property['x-convert'];
  if (convert?.length) parts.push(`other units are converted: ${convert.map(one => one.from).join(', ')}`);
  return parts.join('; ');
};

export const labelOf = field => {
  const aside = [field.unit, !field.required || nullable(field.property) ? 'optional' : ''].filter(Boolean).join(', ');
  return [human(field.name), aside && el('span', null, ` (${aside})`)];
};

// An ordinary value: that of training, else the middle of what training saw, else of what is allowed; the first level; a
// text of the pattern.
export const typical = field => {
  if (field.ordinary !== undefined && fits(field)) return field.whole ? Math.round(field.ordinary) : field.ordinary;
  if (field.levels) return field.levels[0];
  if (!field.numeric) return textFor(field.property.pattern);
  // Without knowledge of the data a tenth of the way up: what is allowed reaches far beyond what is usual.
  const [low, high] = field.seen ?? field.range ?? [0, 0];
  const middle = low + (high - low) * (field.seen ? 0.5 : 0.1);
  return field.whole ? Math.round(middle) : Number(middle.toFixed(1));
};

const fits = ({ levels: all, numeric: number, ordinary }) => (all ? all.includes(ordinary) : number === (typeof ordinary === 'number'));

// A text of a plain pattern (letters, digits, classes, repetitions); nothing when the pattern is not plain.
const textFor = pattern => {
  if (!pattern) return 'example';
  const plain = pattern.replace(/^\^\(\?:(.*)\)\$$/s, '$1').split('|')[0];
  const piece = /(\[[^\]]+\]|\\.|[^\\[\](){}*+?.^$])(\{(\d+)(?:,\d*)?\}|[+*?])?/gy;
  let text = '';
  for (const [, what, repeat, least] of plain.matchAll(piece)) {
    const letter = what.startsWith('[') ? what[1] : { '\\d': '0', '\\w': 'a', '\\s': ' ' }[what] ?? what.replace('\\', '');
    text += letter.repeat(repeat ? Math.max(1, Number(least ?? 1)) : 1);
  }
  return new RegExp(pattern, 'u').test(text) ? text : undefined;
};

// A record with ordinary values in every field that the model uses.
export const example = fields => Object.fromEntries(fields
  .filter(used).map(field => [field.name, typical(field)]).filter(([, value]) => value !== undefined));
