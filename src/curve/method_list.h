/* Every method: X(key in JSON, library, how the library smooths and stops, rule). A new method is one line
 * here and one file. The rules are those of pytorch-lr-finder 0.2.2, fastai 2.8.12, Lightning 2.6.6 and
 * Ignite 0.5.5, bug for bug. */
#define RF_METHOD_LIST(X)                                                                                    \
    X(steepest, "pytorch-lr-finder", rf_smooth_pytorch, rf_method_steepest)                                  \
    X(valley, "fastai", rf_smooth_fastai, rf_method_valley)                                                  \
    X(slide, "fastai", rf_smooth_fastai, rf_method_slide)                                                    \
    X(minimum, "fastai", rf_smooth_fastai, rf_method_minimum)                                                \
    X(steep, "fastai", rf_smooth_fastai, rf_method_steep)                                                    \
    X(lightning, "Lightning", rf_smooth_lightning, rf_method_lightning)                                      \
    X(ignite, "Ignite", rf_smooth_pytorch, rf_method_ignite)
