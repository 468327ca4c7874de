const CONFIG = {responsive: true, displayModeBar: false};
const divs = Object.keys(FIGURES).map((id) => document.getElementById(id));
divs.forEach((div) => Plotly.newPlot(div, FIGURES[div.id].data, FIGURES[div.id].layout, CONFIG));

// Resize the figures to the paper's width for printing; otherwise they keep the screen's width and are cut off.
const opened = [];
addEventListener("beforeprint", () => {
  document.body.classList.add("printing");
  document.querySelectorAll("details:not([open])").forEach((part) => { part.open = true; opened.push(part); });
  divs.forEach((div) => Plotly.relayout(div, {width: div.clientWidth}));
});
addEventListener("afterprint", () => {
  document.body.classList.remove("printing");
  opened.splice(0).forEach((part) => { part.open = false; });
  divs.forEach((div) => Plotly.relayout(div, {width: null, autosize: true}));
});
