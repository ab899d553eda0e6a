"""The tools of pack authors: keys, signatures, bundles, generated pages, scaffolds, and the formatter."""
