document.querySelectorAll("table.sortable").forEach(function (table) {
  var heads = Array.from(table.tHead.rows[0].cells), body = table.tBodies[0];
  heads.forEach(function (head, column) {
    var button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", function () {
      var up = column === 0 ? head.getAttribute("aria-sort") !== "ascending" : head.getAttribute("aria-sort") === "descending";
      heads.forEach(function (each) { each.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      var value = function (row) { var order = row.cells[column].dataset.order; return order === undefined ? NaN : Number(order); };
      Array.from(body.rows).sort(function (a, b) {
        if (column === 0) return (up ? 1 : -1) * a.cells[0].textContent.localeCompare(b.cells[0].textContent);
        var x = value(a), y = value(b);
        if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
        return up ? x - y : y - x;
      }).forEach(function (row) { body.append(row); });
    });
  });
});
