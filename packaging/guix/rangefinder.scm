;; Untested: no Guix was at hand, so neither the build nor the names of the dependencies.  guix build -f rangefinder.scm
(use-modules (guix base16)
             (guix build-system cmake)
             (guix download)
             (guix gexp)
             ((guix licenses) #:prefix license:)
             (guix packages)
             (gnu packages compression)
             (gnu packages gtk)
             (gnu packages image)
             (gnu packages markup)
             (gnu packages opencl)
             (gnu packages pkg-config)
             (gnu packages stb)
             (gnu packages web))

(package
  (name "rangefinder")
  (version "@VERSION@")
  (source
   (origin
     (method url-fetch)
     (uri (string-append "@URL@/rangefinder-" version ".tar.gz"))
     (sha256 (base16-string->bytevector "@SHA256@"))))
  (build-system cmake-build-system)
  (arguments
   (list
    #:configure-flags #~(list "-DRF_TESTS=OFF" "-DRF_CLBLAST=OFF" "-DRF_ONNX=OFF" "-DRF_MPI=OFF")
    #:phases
    #~(modify-phases %standard-phases
        (add-after 'unpack 'find-stb-image
          (lambda* (#:key inputs #:allow-other-keys)
            (install-file (search-input-file inputs "include/stb_image.h") "include/stb")))
        (replace 'check
          (lambda* (#:key tests? #:allow-other-keys)
            (when tests?
              (setenv "HOME" "/tmp")
              (invoke "./rangefinder" "find" "--device" "reference" "--quiet" "--print" "suggestion")))))))
  (native-inputs (list lowdown pkg-config))
  (inputs (list cairo jansson libjpeg-turbo libwebp ocl-icd opencl-headers stb-image zlib))
  (home-page "@URL@")
  (synopsis "Learning rates of convolutional networks, found on any OpenCL device")
  (description
   "Rangefinder trains a network while it raises the learning rate, and reads from the losses which range is usable,
which learning rate to take, and how sure that is.  It runs on any OpenCL device, and without one on a reference in plain
C.")
  (license (list license:expat license:cc-by4.0)))
