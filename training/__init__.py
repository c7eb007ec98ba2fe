"""Rolling snapshots become a bundle: backtest, train, track."""
