// The Markdown of a model card as elements. Every letter of it becomes text: no markup in a card can act.

import { el } from './dom.js';

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*|\[[^\]]+\]\([^)\s]+\))/;

const inline = text => text.split(INLINE).filter(Boolean).map(part => {
  if (part.length > 2 && part.startsWith('`') && part.endsWith('`')) return el('code', null, part.slice(1, -1));
  if (part.length > 4 && part.startsWith('**') && part.endsWith('**')) return el('strong', null, part.slice(2, -2));
  if (part.length > 2 && part.startsWith('*') && part.endsWith('*')) return el('em', null, part.slice(1, -1));
  // A card's link is named, not followed: whoever wrote the card chose where it leads.
  const [, words, target] = /^\[([^\]]+)\]\(([^)\s]+)\)$/.exec(part) ?? [];
  return words ? `${words} (${target})` : part;
});

const cells = line => line.trim().replace(/^\||\|$/g, '').split('|').map(cell => cell.trim());
const isRule = line => /^\s*\|?[\s:|-]+\|?\s*$/.test(line) && line.includes('-');

// Blocks of a card: headings (below the page's own), lists, tables, code and paragraphs.
export const markdown = text => {
  const lines = text.split(/\r?\n/);
  const blocks = [];
  const take = test => {
    const taken = [];
    while (lines.length && test(lines[0])) taken.push(lines.shift());
    return taken;
  };
  while (lines.length) {
    const line = lines[0];
    const heading = /^(#{1,6})\s+(.*)$/.exec(line);
    if (line.trim() === '') lines.shift();
    else if (heading) {
      lines.shift();
      blocks.push(el(`h${Math.min(6, heading[1].length + 2)}`, null, inline(heading[2])));
    } else if (line.startsWith('```')) {
      lines.shift();
      blocks.push(el('pre', null, take(one => !one.startsWith('```')).join('\n')));
      lines.shift();
    } else if (/^\s*[-*+]\s/.test(line)) {
      blocks.push(el('ul', null, take(one => /^\s*[-*+]\s|^\s+\S/.test(one)).map(one => el('li', null, inline(one.replace(/^\s*[-*+]\s+/, ''))))));
    } else if (line.trim().startsWith('|') && lines[1] !== undefined && isRule(lines[1])) {
      const [head, , ...rows] = take(one => one.trim().startsWith('|'));
      blocks.push(el('div', { class: 'wide', tabindex: 0, role: 'region', 'aria-label': 'Table' }, el('table', null,
        el('thead', null, el('tr', null, cells(head).map(cell => el('th', { scope: 'col' }, inline(cell))))),
        el('tbody', null, rows.map(row => el('tr', null, cells(row).map(cell => el('td', null, inline(cell)))))))));
    } else {
      const words = [lines.shift(), ...take(one => one.trim() !== '' && !/^(#{1,6}\s|```|\s*[-*+]\s|\s*\|)/.test(one))];
      blocks.push(el('p', null, inline(words.join(' '))));
    }
  }
  return blocks;
};
