"""Asks for tasks: a card is charged and a receipt follows; a picture is made smaller, which does not go well.

python order.py
"""

from __future__ import annotations

from shop.tasks import charge, receipt, scale


def main() -> None:
    """Send the tasks, and wait for the receipt."""
    scale.apply_async(("3.jpg",), priority=1)
    # One task after the other, before all that are less urgent; the result of the last comes back.
    paid = (charge.s(17, 420) | receipt.s("ann@example.com")).apply_async(priority=9)
    print(paid.get(timeout=30))


if __name__ == "__main__":
    main()
