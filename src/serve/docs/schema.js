// A JSON Schema in words and tables.

import { brief, el, table } from './dom.js';

export const nameOf = schema => schema?.$ref?.split('/').at(-1);

const link = name => el('a', { href: `#schema-${name}` }, name);

const separated = (parts, by) => parts.flatMap((part, at) => at === 0 ? [part] : [by, part]);

// The type of a value, short; other named schemas are linked.
export const typeOf = schema => {
  if (!schema || Object.keys(schema).length === 0) return ['bytes'];
  const name = nameOf(schema);
  if (name) return [link(name)];
  const several = schema.anyOf ?? schema.oneOf;
  if (several) return separated(several.map(one => one.description && !one.type && !one.$ref ? ['anything else, ', one.description] : typeOf(one)), ' or ');
  if (schema.enum) return [schema.enum.map(value => JSON.stringify(value)).join(', ')];
  const kinds = [schema.type].flat().filter(Boolean);
  if (kinds.includes('array')) return ['list of ', ...typeOf(schema.items), kinds.includes('null') ? ' or null' : ''];
  return [kinds.join(' or ') || 'anything'];
};

const bounds = schema => {
  const parts = [];
  if (schema.minimum !== undefined || schema.maximum !== undefined) parts.push(`${brief(schema.minimum ?? null)} to ${brief(schema.maximum ?? null)}`.replaceAll('missing', 'any'));
  if (schema['x-unit']) parts.push(schema['x-unit']);
  if (schema.pattern) parts.push(schema.pattern);
  if (schema.maxItems && schema.maxItems !== schema.minItems) parts.push(`at most ${schema.maxItems}`);
  if (schema.format) parts.push(schema.format);
  return parts.join(', ');
};

// The fields of an object; those of a list of unnamed objects follow below.
export const fieldsTable = (caption, schema) => {
  const rows = Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    cells: [el('code', null, name), (schema.required ?? []).includes(name) ? 'yes' : '', typeOf(one), bounds(one), one.description ?? ''],
  }));
  const inner = Object.entries(schema.properties ?? {}).filter(([, one]) => one.items?.properties);
  return [
    table(caption, [['Field'], ['Always'], ['Type'], ['Bounds'], ['Meaning']], rows),
    inner.map(([name, one]) => fieldsTable(`Each of ${name}`, one.items)),
    schema['x-rules']?.length > 0 && [
      el('p', null, 'Rules across fields:'),
      el('ul', null, schema['x-rules'].map(rule => el('li', null, el('code', null, rule.check ?? rule.name), rule.level === 'warning' ? ' (remarked on)' : ' (refused otherwise)'))),
    ],
  ];
};
