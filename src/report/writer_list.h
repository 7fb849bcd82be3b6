/* Every writer of reports to files: X(context, name, check, missing, help) stands for the function rf_report_<name> and
 * the option --<name> FILE.  check: can it write to a path with this ending?  NULL: to any.  missing: the path where
 * the option is given without one; NULL: that is an error.  A new writer is one line here and one file. */
#define RF_WRITER_LIST(X, context)                                                                           \
    X(context, plot, rf_report_plot_check, NULL,                                                             \
      "draw the curve; the ending says how: .svg, .png or .pdf; - writes SVG to stdout")                     \
    X(context, csv, NULL, NULL, "write lr,loss,smoothed; - is stdout")                                       \
    X(context, html, NULL, NULL,                                                                             \
      "write a page: the curve with its values, the verdict, settings, what to do next; - is stdout")        \
    X(context, json, NULL, "-", "write everything as one JSON document; - is stdout")
