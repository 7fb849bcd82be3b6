/* Every kind of image file that is read.  This list is the only registration: X(symbol, name for people) stands for
 * `const rf_codec rf_codec_<symbol>`. */
#ifdef RF_WEBP
#define RF_CODEC_WEBP(X) X(webp, "WebP")
#else
#define RF_CODEC_WEBP(X)
#endif
#define RF_CODEC_LIST(X)                                                                                     \
    X(jpeg, "JPEG")                                                                                          \
    X(png, "PNG")                                                                                            \
    X(bmp, "BMP")                                                                                            \
    X(pnm, "PNM")                                                                                            \
    RF_CODEC_WEBP(X)
