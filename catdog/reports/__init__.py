"""Pictures and pages made from what a run left on disk."""
