"""What any page must keep to: expressions for a browser, each of which lists what is wrong."""

# Every text, with its contrast to what lies behind it (WCAG 2: 4.5 for letters of this size, 3 for large ones).
CONTRAST = """
(() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const part = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length && (colour.length < 4 || colour[3] > 0)) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || ['title', 'desc', 'STYLE'].includes(element.tagName)) continue;
    const style = getComputedStyle(element);
    const colour = parse(element instanceof SVGElement ? style.fill : style.color);
    const [a, b] = [luminance(colour), luminance(behind(element))].sort((a, b) => b - a);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) faint.push([element.tagName, element.textContent.trim().slice(0, 40), ratio]);
  }
  return faint;
})()
"""

# What reaches beyond the window although nothing above it scrolls.
WIDE = """
[...document.querySelectorAll('body *')].filter(element => {
  if (element.closest('.wide') && !element.matches('.wide')) return false;
  return !(element instanceof SVGElement && element.tagName !== 'svg') && element.getBoundingClientRect().right > innerWidth + 0.5;
}).map(element => element.tagName + '.' + element.className)
"""

# What a reader of the screen needs: a name for every control and picture, one main heading, headings without gaps,
# landmarks, ids that are there once, and references that lead somewhere.
NAMELESS = """
(() => {
  const wrong = [];
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) wrong.push(`the id ${id} is there twice`);
  for (const control of document.querySelectorAll('input, select, textarea')) {
    if (control.getAttribute('aria-hidden') === 'true') {
      if (control.tabIndex >= 0) wrong.push(`${control.outerHTML} is hidden from readers and can be reached`);
      continue;
    }
    const label = control.labels?.[0]?.textContent.trim() || control.getAttribute('aria-label');
    if (!label) wrong.push(`${control.outerHTML} has no label`);
  }
  for (const button of document.querySelectorAll('button, a[href], summary')) {
    if (!(button.textContent.trim() || button.getAttribute('aria-label'))) wrong.push(`${button.outerHTML} has no name`);
  }
  for (const picture of document.querySelectorAll('svg')) {
    if (picture.getAttribute('role') !== 'img' || !picture.getAttribute('aria-label')) wrong.push('a picture has no name');
  }
  for (const element of document.querySelectorAll('[aria-describedby], [aria-labelledby], label[for]')) {
    for (const name of ['aria-describedby', 'aria-labelledby', 'for']) {
      for (const id of (element.getAttribute(name) || '').split(' ').filter(Boolean)) {
        if (!document.getElementById(id)) wrong.push(`${name} of ${element.tagName} leads to ${id}, which is not there`);
      }
    }
  }
  for (const landmark of ['header', 'nav', 'main', 'footer']) {
    if (document.querySelectorAll(`body > ${landmark}, header > ${landmark}`).length !== 1) wrong.push(`not one ${landmark}`);
  }
  const levels = [...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter(h => h.checkVisibility()).map(h => Number(h.tagName[1]));
  if (levels.filter(level => level === 1).length !== 1 || levels[0] !== 1) wrong.push('not one main heading, first');
  levels.forEach((level, at) => { if (at && level > levels[at - 1] + 1) wrong.push(`h${levels[at - 1]} is followed by h${level}`); });
  if (!document.documentElement.lang) wrong.push('no language');
  if (!document.title) wrong.push('no title');
  for (const cell of document.querySelectorAll('thead th:not([scope])')) wrong.push(`${cell.outerHTML} has no scope`);
  return wrong;
})()
"""
