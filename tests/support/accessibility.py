"""What axe-core finds on a page that is open in the browser: what some readers could not read, find or reach."""

from axe_playwright_python.sync_playwright import Axe


def findings(page):
    """All of it, minor or serious, with folded text unfolded: "serious, color-contrast: SELECTOR: what is wrong".

    Args:
        page: Playwright's.
    """
    page.evaluate("() => document.querySelectorAll('details').forEach(part => part.open = true)")
    return [
        f"{rule['impact']}, {rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in Axe().run(page).response["violations"]
        for node in rule["nodes"]
    ]
