from tests.batteries import main

main()
