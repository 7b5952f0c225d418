"use strict";
// Chooses the theme and the trial, and draws the charts of the trial that is shown.
(() => {
  const data = JSON.parse(document.getElementById("charts").textContent);
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const trials = [...document.querySelectorAll(".trial")];
  let drawn = [];

  const drawCharts = () => {
    for (const chart of drawn) chart.destroy();
    drawn = [];
    for (const trial of trials.filter((one) => !one.hidden)) {
      for (const element of trial.querySelectorAll(".chart")) {
        const chart = charts.draw(element, data[trial.dataset.trial]);
        if (chart) drawn.push(chart);
      }
    }
    root.dataset.drawn = String(drawn.length);
  };

  const choose = (number) => {
    for (const trial of trials) trial.hidden = trial.dataset.trial !== number;
    drawCharts();
  };

  const chooser = document.getElementById("chooser");
  if (chooser) {
    chooser.addEventListener("change", () => choose(chooser.value));
    for (const link of document.querySelectorAll("a[data-trial]")) {
      link.addEventListener("click", () => {
        chooser.value = link.dataset.trial;
        choose(link.dataset.trial);
      });
    }
  }

  document.getElementById("theme").addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    root.dataset.theme = isDark ? "light" : "dark";
    drawCharts();
  });
  dark.addEventListener("change", drawCharts);

  let timer = 0;
  addEventListener("resize", () => {
    clearTimeout(timer);
    timer = setTimeout(drawCharts, 150);
  });

  if (chooser) choose(chooser.dataset.chosen);
  else drawCharts();
})();
